"""HTTP → domain decision."""

from fastapi import APIRouter

from campaigns.api import campaigns, customers, members, preview, reports, templates

router = APIRouter()
router.include_router(campaigns.router)
router.include_router(preview.router)
router.include_router(templates.router)
router.include_router(customers.router)
router.include_router(members.router)
router.include_router(reports.router)
