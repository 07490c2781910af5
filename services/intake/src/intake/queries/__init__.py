"""The read side: lists by keyset, and one lead, customer, purchase or partner whole.

One module a subject; what the routes need is named here.
"""

from intake.queries.communities import community
from intake.queries.customers import (
    AnswerBody,
    ConsentBody,
    CustomerBody,
    answers_of,
    customer,
    merge,
    merges_of,
)
from intake.queries.lead_search import LeadFilter
from intake.queries.leads import LeadHistory, LeadSummary, StepBody, TouchBody, lead, leads
from intake.queries.leads_today import LeadToday, leads_today
from intake.queries.partners import (
    PartnerBody,
    PartnerDay,
    PartnerRejection,
    PartnerSummary,
    partner,
    partner_days,
    partner_rejections,
    partners,
)
from intake.queries.purchases import (
    DepositBody,
    PurchaseBody,
    PurchaseHistory,
    claim,
    purchase,
)
from intake.queries.statements import MOST_HISTORY

__all__ = [
    "MOST_HISTORY",
    "AnswerBody",
    "ConsentBody",
    "CustomerBody",
    "DepositBody",
    "LeadFilter",
    "LeadHistory",
    "LeadSummary",
    "LeadToday",
    "PartnerBody",
    "PartnerDay",
    "PartnerRejection",
    "PartnerSummary",
    "PurchaseBody",
    "PurchaseHistory",
    "StepBody",
    "TouchBody",
    "answers_of",
    "claim",
    "community",
    "customer",
    "lead",
    "leads",
    "leads_today",
    "merge",
    "merges_of",
    "partner",
    "partner_days",
    "partner_rejections",
    "partners",
    "purchase",
]
