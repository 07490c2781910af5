"""Intake with a route more: the same application for ours and for what it is compared with."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter

from intake.service import service
from keyturn_chassis.service import Service


def intake_with(router: APIRouter) -> Service:
    """Intake as it is, and the routes of `router`."""
    routes = APIRouter()
    # First, as `POST /leads` is among the first: routes are tried in their order.
    routes.include_router(router)
    routes.include_router(service.router)
    return replace(service, router=routes)
