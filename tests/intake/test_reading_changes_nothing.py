"""GET and HEAD never change anything, on any route that the OpenAPI document knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from intake.service import service
from keyturn_chassis.app import create_app
from keyturn_chassis.auth import CHASSIS_SCOPES
from keyturn_events.intake import ContactChanged

E_MAIL = {"channel": "email", "purpose": "marketing"}


async def known(intake: Any) -> Mapping[str, str]:
    """Something of everything, and its ids; the link is one that a POST would act on."""
    await intake.call("PUT", "/communities/riverside", {"double_opt_in": [E_MAIL]})
    await intake.register_partner("ledger")
    lead = await intake.captured(
        phone="13800138000",
        email="zhou@mail.example",
        community_id="riverside",
        consents=[E_MAIL, {"channel": "sms", "purpose": "marketing"}],
    )
    purchase = await intake.reserved(customer_id=lead["customer_id"])
    job = (await intake.send_file("name,phone\n张伟,13800138001\n")).json()
    told = (await intake.harness.published(ContactChanged))[-1]
    (opt_in,) = told.opt_ins
    return {
        "lead_id": lead["lead_id"],
        "customer_id": lead["customer_id"],
        "purchase_id": purchase["purchase_id"],
        "home_id": purchase["home_id"],
        "import_id": job["import_id"],
        "partner_id": "ledger",
        "community_id": "riverside",
        "/preferences/{token}": told.preference_token,
        "/unsubscribe/{token}": f"{told.preference_token}.sms.marketing",
        "/confirmations/{token}": opt_in.token,
    }


async def dump(intake: Any) -> dict[str, list[str]]:
    """Every row of every table."""
    tables = await intake.harness.rows(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    )
    return {
        table.tablename: [
            row.row
            for row in await intake.harness.rows(
                f'SELECT t::text AS row FROM "{table.tablename}" AS t ORDER BY t::text'
            )
        ]
        for table in tables
    }


def filled(path: str, ids: Mapping[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda name: ids.get(path) or ids.get(name[1]) or "unknown", path)


async def test_looking_at_anything_changes_nothing(intake: Any) -> None:
    ids = await known(intake)
    paths = create_app(service, None).openapi()["paths"]
    headers = intake.harness.headers(*service.scopes, *CHASSIS_SCOPES)
    before = await dump(intake)
    answers = {}
    for path in paths:
        for method in ("GET", "HEAD"):
            answer = await intake.harness.client.request(method, filled(path, ids), headers=headers)
            assert answer.status_code < 500, f"{method} {path} {answer.text}"
            answers[method, path] = answer.status_code
    assert await dump(intake) == before
    assert len(paths) > 20
    for path in service.public - {"/confirmations"}:
        assert answers["GET", path] == 200, path
    assert answers["GET", "/customers/{customer_id}/consents"] == 200
