"""The HTTP door: each route turns a body into a command and has it decided."""

from fastapi import APIRouter

from intake.api import customers, imports, lead_pipeline, leads, purchases, registry

router = APIRouter()
for part in (leads, lead_pipeline, customers, purchases, imports, registry):
    router.include_router(part.router)

SCOPES = {
    "leads:read": "See leads and their history",
    "leads:write": "Capture leads and bring them further",
    "imports:read": "See how an import of leads goes",
    "imports:write": "Import a file of leads",
    "customers:read": "See a customer with contact details and consents",
    "consents:write": "Record what a customer allows",
    "purchases:read": "See purchases and who has a home",
    "purchases:write": "Reserve homes and bring purchases further",
    "partners:read": "See partner systems and how their events fare",
    "partners:write": "Register partner systems",
    "communities:read": "See the rules of a community",
    "communities:write": "Set the rules of a community",
}
"""What each scope allows."""

__all__ = ["SCOPES", "router"]
