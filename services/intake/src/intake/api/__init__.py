"""The HTTP door: each route turns a body into a command and has it decided."""

from fastapi import APIRouter

from intake.api import (
    advisors,
    communities,
    consents,
    customers,
    erasures,
    homes,
    import_control,
    import_results,
    imports,
    lead_pipeline,
    leads,
    leads_today,
    merges,
    ownership,
    partners,
    payments,
    preferences,
    purchases,
    releases,
    reviews,
    scoring,
)

router = APIRouter()
for part in (
    # Before the route of one lead: `today` is none.
    leads_today,
    leads,
    # Early, since a route is looked for in this order: a thousand claims come at once.
    releases,
    lead_pipeline,
    ownership,
    scoring,
    advisors,
    customers,
    consents,
    preferences,
    merges,
    reviews,
    erasures,
    purchases,
    payments,
    homes,
    imports,
    # Before the routes of one import: `columns` is none.
    import_results,
    import_control,
    partners,
    communities,
):
    router.include_router(part.router)

SCOPES = {
    "leads:read": "See leads and their history",
    "leads:write": "Capture leads and bring them further",
    "scoring:read": "See by what leads are scored, and one lead's reasons",
    "scoring:write": "Load and drop scoring models",
    "advisors:read": "See advisors, their duty and their workload",
    "advisors:write": "Register advisors, call them to duty, and hand their leads on",
    "imports:read": "See how an import of leads goes",
    "imports:write": "Import a file of leads",
    "customers:read": "See a customer with contact details and consents",
    "customers:export": "See everything that is held on one person",
    "customers:erase": "Forget a person",
    "erasures:read": "See erasures and who has forgotten the person",
    "suppressions:write": "Let an erased person's identifiers in again",
    "customers:merge": "Merge customers who are one person, and undo it",
    "consents:write": "Record what a customer allows",
    "purchases:read": "See purchases and who has a home",
    "purchases:write": "Reserve homes and bring purchases further",
    "homes:read": "See homes, where they stand, and releases",
    "homes:write": "Register homes and plan releases",
    "queue:read": "See how a queue number stands",
    "queue:write": "Take queue numbers and claim homes with them",
    "partners:read": "See partner systems and how their events fare",
    "partners:write": "Register partner systems",
    "communities:read": "See the rules of a community",
    "communities:write": "Set the rules of a community",
}
"""What each scope allows."""

__all__ = ["SCOPES", "router"]
