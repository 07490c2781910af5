"""After an erasure nobody can be found in intake's database, whatever door they came through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from keyturn_chassis.inputs import RawRecord
from keyturn_events import Topic
from keyturn_events.partners import PartnerLeadSubmitted, Person

if TYPE_CHECKING:
    from tests.intake.conftest import Intake

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
PHONE = "13855501234"
MARKS = ("zqmark", PHONE, "110101198001010010")
PERSON: dict[str, Any] = {
    "name": "Zqmark Wei",
    "phone": PHONE,
    "email": "zqmark@example.com",
    "wechat": "wx-zqmark",
    "national_id": "110101198001010010",
    "birth_date": "1980-01-01",
    "address": {"street": "Zqmark Street 12", "city": "Zqmark"},
    "source_reference": "zqmark-7",
    "utm": {"term": "zqmark homes"},
    "channel": "portal",
    "community_id": "riverside",
}


async def places(intake: Intake) -> dict[str, list[str]]:
    """The rows of each table of the whole database that say anything of the person."""
    found: dict[str, list[str]] = {}
    tables = await intake.harness.rows("SELECT tablename FROM pg_tables WHERE schemaname='public'")
    for table in tables:
        rows = await intake.harness.rows(
            f'SELECT row_to_json(t)::text AS row FROM "{table.tablename}" AS t'
        )
        said = [row.row for row in rows if _says(row.row.casefold())]
        if said:
            found[table.tablename] = said
    return found


def _says(row: str) -> bool:
    return any(mark in row or mark.encode().hex() in row for mark in MARKS)


async def test_no_row_of_any_table_tells_who_it_was(intake: Intake) -> None:
    put = await intake.call(
        "PUT",
        "/communities/riverside",
        {"double_opt_in": [{"channel": "email", "purpose": "marketing"}]},
    )
    assert put.is_success, put.text
    captured = await intake.captured(
        **PERSON,
        consents=[{"channel": "email", "purpose": "marketing", "wording": "zqmark-words"}],
    )
    customer_id = captured["customer_id"]
    await intake.captured(**PERSON | {"name": "Zqmark Way", "email": "zqmark2@example.com"})
    await intake.imported(
        f"name,phone,source_reference\nZqmark Wu,{PHONE},zqmark-file\nzqmark,{PHONE}x0001,bad\n"
    )
    await intake.register_partner("portal", PartnerLeadSubmitted)
    await intake.partner_says(
        PartnerLeadSubmitted(
            lead_reference="zqmark-lead",
            submitted_at=NOON,
            person=Person(phone=PHONE, name="Zqmark", partner_customer_reference="zqmark-9"),
        ),
        partner_id="portal",
    )
    # What cannot be read, or meets a bug of ours, is parked as it came.
    await intake.harness.receive_records(
        RawRecord("intake.unknown", 0, 1, b"key", b"{wechat: wx-zqmark", ())
    )
    parked = {"source": "partners.inbound", "event_id": "x", "value": f"tel:{PHONE}".encode()}
    async with intake.harness.runtime.database.transaction() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO dead_letters (consumer, subject, source, event_id, topic, partition,"
            " \"offset\", value, headers, code, detail) VALUES ('intake', 'partners.inbound/0/9',"
            " $1, $2, $3, 0, 9, $4, '[]', 'decision-failed', 'A bug.')",
            (parked["source"], parked["event_id"], Topic.PARTNERS_INBOUND, parked["value"]),
        )
    before = await places(intake)
    assert {"customers", "identifiers", "touches", "leads", "dead_letters", "outbox"} <= set(before)

    answer = await intake.harness.client.post(
        f"/customers/{customer_id}/erasure",
        json={"reason": "customer-request", "legal_basis": "objection"},
        headers=intake.harness.headers("customers:erase") | {"idempotency-key": "zq-1"},
    )
    assert answer.status_code == 202, answer.text
    await intake.harness.drive(NOON + timedelta(minutes=10))

    async with intake.harness.runtime.database.transaction() as connection:
        # The relay has sent what may be on shared topics: facts, codes and references.
        await connection.exec_driver_sql(
            "DELETE FROM outbox WHERE aggregatetype <> 'intake.contacts'"
        )
    assert await places(intake) == {}
