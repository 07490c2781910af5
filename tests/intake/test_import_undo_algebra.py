"""Undoing an import is the inverse of importing it, whatever was there and whatever the file has.

The whole service in memory, without a database: captures through the front door, then a file row
by row, then perhaps more captures, then the undoing of the file from its last row to its first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.domain.dossier import Dossier
from intake.domain.imports.undoing import ImportedRow, LaterTouch, TakeBackRow, take_back, worked_on
from intake.domain.leads.capture import capture
from intake.domain.leads.lead_commands import LoseLead, lose
from intake.domain.leads.leads import LeadStatus
from intake.reading.contact_points import identify
from intake.reading.lead_form import LeadForm
from intake.store.documents import CUSTOMER, LEAD
from intake.store.import_rows import import_row
from intake.store.needs import Needs
from intake.store.subjects import SUBJECTS
from intake.store.subjects.imports import TakenBack
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import Loaded, dump_json
from keyturn_chassis.inputs import Cause, Input
from keyturn_events import Event, Refusal
from keyturn_events.intake import CustomerWithdrawn, LeadWithdrawn
from keyturn_events.vocabulary import LossReason

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
IMPORT = "import-1"


@dataclass
class Intake:
    """The service in memory, with what it said."""

    rows: IntakeWorkingSet = field(
        default_factory=lambda: IntakeWorkingSet(
            subjects=SUBJECTS,
            identities={},
            owners={},
            customers=Loaded({}),
            leads=Loaded({}),
            purchases=Loaded({}),
            documents={},
        )
    )
    said: list[Event] = field(default_factory=list)
    imported: list[dict[str, Any]] = field(default_factory=list)
    at: datetime = NOON

    def decide(self, value: Any, decide: Any, id: str) -> tuple[Any, Any]:
        """Decide on an input a minute after the last; what it looked at, and what came of it."""
        self.at += MINUTE
        input = Input(value, Cause("test", id, self.at), decide)
        needs = Needs.of([input], SUBJECTS)
        self.rows.identities = {
            key: identify(visitor.person, "CN") for key, visitor in needs.visitors.items()
        }
        before = self.rows.state_for(input)
        after, events = decide(before, value, input.cause)
        self.rows.put(after)
        self.said += events
        return before, after

    def capture(self, form: dict[str, Any], id: str, import_id: str | None = None) -> Any:
        """Somebody comes."""
        command = LeadForm.read(form).command(
            collected_through="import" if import_id else "api", import_id=import_id
        )
        return self.decide(command, capture, id)

    def come(self, forms: list[dict[str, Any]], name: str) -> list[Dossier]:
        """Several come through the front door, one after another."""
        return [self.capture(form, f"{name}-{n}")[1] for n, form in enumerate(forms)]

    def lose(self, place: int) -> None:
        """Give up one of the open leads."""
        leads = [lead for lead in self.rows.leads.values() if lead.status is LeadStatus.OPEN]
        if leads:
            command = LoseLead(leads[place % len(leads)].lead_id, LossReason.PRICE)
            self.decide(command, lose, f"loss-{place}")

    def import_file(self, forms: list[dict[str, Any]]) -> None:
        """Import a file, and remember its rows as the store does."""
        for number, form in enumerate(forms, 1):
            before, after = self.capture(form, f"{IMPORT}/{number}", IMPORT)
            row = import_row(IMPORT, number, before, after)
            self.imported.append(row | {"changes": orjson.loads(dump_json(row["changes"]))})

    def undo(self) -> list[ImportedRow]:
        """Take all rows of the file back."""
        return [self._take_back(row) for row in reversed(self.imported)]

    def _take_back(self, row: dict[str, Any]) -> ImportedRow:
        known = self.rows.part(TakenBack)
        if row["changes"] is not None:
            known.changes[row["row_number"]] = row["changes"]
        known.positions = {t.touch_id: n for n, t in enumerate(self.rows.touches)}
        known.touches.clear()
        for position, t in enumerate(self.rows.touches):
            if t.import_id is None:
                later = LaterTouch(t.lead_id, t.campaign, t.referral_code, t.answers)
                known.touches[t.customer_id].append((position, later))
        owner_of = {lead.lead_id: lead.customer_id for lead in self.rows.leads.values()}
        for step in self.rows.steps:
            if worked_on(step.kind, step.reason):
                known.handled[owner_of[step.lead_id]].add(step.lead_id)
        command = TakeBackRow(
            IMPORT,
            row["row_number"],
            row["customer_id"],
            row["lead_id"],
            row["touch_id"],
            created=row["outcome"] == "created",
            opened=row["opened"],
        )
        after: ImportedRow
        _, after = self.decide(command, take_back, f"{IMPORT}/{row['row_number']}/undo")
        return after

    def state(self) -> dict[str, Any]:
        """All that is known, without the audit trail."""
        return {
            "customers": {
                each.customer_id: CUSTOMER.dump_python(each, mode="json")
                for each in self.rows.customers.values()
                if each.withdrawn_at is None
            },
            "leads": {
                # A score follows from the rest; it is reckoned anew when a lead is looked at.
                each.lead_id: LEAD.dump_python(each, mode="json", exclude={"score"})
                for each in self.rows.leads.values()
                if each.status is not LeadStatus.WITHDRAWN
            },
            "owners": dict(self.rows.owners),
        }


def _consent(word: str) -> dict[str, str]:
    channel, purpose, status = word.split("/")
    return {"channel": channel, "purpose": purpose, "status": status}


PHONES = ("13800138000", "13900139000", "13700137000")
consents = st.sampled_from(
    ("sms/marketing/granted", "sms/marketing/denied", "email/survey/granted")
).map(lambda word: [_consent(word)])
forms = st.fixed_dictionaries(
    {},
    optional={
        "phone": st.sampled_from(PHONES),
        "email": st.sampled_from(("a@example.com", "b@example.com")),
        "wechat": st.sampled_from(("open-1", "open-2")),
        "name": st.sampled_from(("张伟", "李娜")),
        "community_id": st.sampled_from(("riverside", "lakeside")),
        "language": st.sampled_from(("zh", "en")),
        "household": st.sampled_from(
            ({"homes_owned": 1}, {"marital_status": "married", "homes_owned": 2})
        ),
        "affordability": st.just({"down_payment": {"amount": "600000.00", "currency": "CNY"}}),
        "campaign": st.sampled_from(("spring", "autumn")),
        "referral_code": st.just("KT7Q2M"),
        "budget": st.just({"amount": "1680000.00", "currency": "CNY"}),
        "consents": consents,
    },
).filter(lambda form: not {"phone", "email", "wechat"}.isdisjoint(form))
files = st.lists(forms, min_size=1, max_size=6)
visits = st.lists(forms, max_size=4)


@settings(max_examples=100, deadline=None)
@given(visits, st.lists(st.integers(0, 3), max_size=2), files)
def test_undoing_restores_what_was(
    prior: list[dict[str, Any]], losses: list[int], file: list[dict[str, Any]]
) -> None:
    intake = Intake()
    intake.come(prior, "prior")
    for place in losses:
        intake.lose(place)
    before = intake.state()
    intake.import_file(file)
    rows = intake.undo()
    assert intake.state() == before
    assert [row.kept for row in rows] == [()] * len(file)
    withdrawn = [event for event in intake.said if isinstance(event, CustomerWithdrawn)]
    created = [row for row in intake.imported if row["outcome"] == "created"]
    assert len(withdrawn) == len(created)


@settings(max_examples=100, deadline=None)
@given(visits, files, st.lists(forms, min_size=1, max_size=4))
def test_what_came_after_the_file_survives_its_undoing(
    prior: list[dict[str, Any]], file: list[dict[str, Any]], since: list[dict[str, Any]]
) -> None:
    intake = Intake()
    intake.come(prior, "prior")
    intake.import_file(file)
    visited = intake.come(since, "since")
    intake.undo()
    for form, dossier in zip(since, visited, strict=True):
        touch = dossier.touches[0]
        customer = intake.rows.customers.get(touch.customer_id)
        lead = intake.rows.leads.get(touch.lead_id)
        assert customer is not None
        assert customer.withdrawn_at is None
        assert lead is not None
        assert lead.status is LeadStatus.OPEN
        for identifier in dossier.claimed:
            assert intake.rows.owners[identifier] == customer.customer_id
        assert customer.facts.language is not None or "language" not in form
        assert customer.facts.household.homes_owned is not None or "household" not in form
        assert lead.campaign is not None or "campaign" not in form
        assert lead.budget_named or "budget" not in form
        assert lead.touches >= 1
    told = {event.lead_id for event in intake.said if isinstance(event, LeadWithdrawn)}
    assert told.isdisjoint({dossier.touches[0].lead_id for dossier in visited})


def test_a_person_who_cannot_be_identified_is_no_row_to_take_back() -> None:
    intake = Intake()
    with pytest.raises(Refusal, match="invalid-phone"):
        intake.import_file([{"phone": "12"}])
    assert intake.undo() == []
