"""A row of a file is taken back: what it changed, and what happened to those concerned since."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.dossier import Dossier
from intake.domain.imports.undoing import ImportedRow, LaterTouch, SinceThen, TakeBackRow, worked_on
from intake.domain.scoring.scoring import Scorecard
from intake.store import holdings, import_rows
from intake.store.needs import Needs
from intake.store.scorecards import Scorecards
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input

_HOLD: Final = "SELECT FROM customers WHERE customer_id = ANY($1) ORDER BY customer_id FOR UPDATE"
"""Until what becomes of them is committed, nobody opens a lead for these customers."""
_POSITIONS: Final = "SELECT touch_id, position FROM touches WHERE touch_id = ANY($1)"
_OTHER_TOUCHES: Final = (
    "SELECT l.customer_id, t.position, t.lead_id, t.campaign, t.referral_code, t.answers::text"
    " FROM leads AS l JOIN touches AS t ON t.lead_id = l.lead_id"
    " WHERE l.customer_id = ANY($1) AND t.import_id IS DISTINCT FROM $2"
    " AND t.withdrawn_at IS NULL ORDER BY t.position"
)
_STEPS: Final = (
    "SELECT DISTINCT l.customer_id, s.lead_id, s.kind, s.reason"
    " FROM leads AS l JOIN lead_steps AS s ON s.lead_id = l.lead_id"
    " WHERE l.customer_id = ANY($1)"
)
_CONTACTS: Final = (
    "SELECT DISTINCT l.customer_id, f.lead_id"
    " FROM leads AS l JOIN ownership_facts AS f ON f.lead_id = l.lead_id"
    " WHERE l.customer_id = ANY($1) AND f.kind IN ('contacted', 'disputed')"
)
_BUYERS: Final = (
    "SELECT customer_id FROM purchases WHERE customer_id = ANY($1)"
    " UNION SELECT customer_id FROM queue_numbers WHERE customer_id = ANY($1)"
)
_SURVIVORS: Final = "SELECT merged_into FROM customers WHERE merged_into = ANY($1)"
_FREE: Final = (
    "DELETE FROM identifiers AS i USING unnest($1::smallint[], $2::text[], $3::text[])"
    " AS freed (kind, value, customer_id)"
    " WHERE (i.kind, i.value, i.customer_id) = (freed.kind, freed.value, freed.customer_id)"
)
_WITHDRAW_TOUCHES: Final = (
    "UPDATE touches SET withdrawn_at = $2 WHERE touch_id = ANY($1) AND withdrawn_at IS NULL"
)


@dataclass(slots=True)
class RowNeeds:
    """The rows of a batch that are to be taken back; all of one import."""

    commands: list[TakeBackRow] = field(default_factory=list)


@dataclass(slots=True)
class TakenBack:
    """What is known of those rows and of what happened since, and what became of them."""

    import_id: str = ""
    changes: dict[int, Any] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    """Where the touch of a row stands among all touches."""
    touches: defaultdict[str, list[tuple[int, LaterTouch]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Other touches of a customer with their places, in order."""
    handled: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    buyers: set[str] = field(default_factory=set)
    survivors: set[str] = field(default_factory=set)
    rows: list[ImportedRow] = field(default_factory=list)
    freed: list[tuple[int, str, str]] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)


class Imports(Subject):
    """Rows of files that are taken back."""

    inputs = (TakeBackRow,)
    states = (ImportedRow,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The customer and the lead that the row was about."""
        command: TakeBackRow = input.value
        needs.customers.add(command.customer_id)
        needs.leads.add(command.lead_id)
        needs.part(RowNeeds).commands.append(command)

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """What the rows changed, and what happened to their customers since."""
        commands = needs.part(RowNeeds).commands
        if not commands:
            return
        known = rows.part(TakenBack)
        known.import_id = commands[0].import_id
        known.changes = dict(
            await import_rows.changes(
                connection, known.import_id, [command.row_number for command in commands]
            )
        )
        driver = await driver_of(connection)
        customers = sorted({command.customer_id for command in commands})
        await driver.execute(
            _HOLD, [command.customer_id for command in commands if command.created]
        )
        touch_ids = [command.touch_id for command in commands]
        known.positions = {
            row["touch_id"]: row["position"] for row in await driver.fetch(_POSITIONS, touch_ids)
        }
        for row in await driver.fetch(_OTHER_TOUCHES, customers, known.import_id):
            touch = LaterTouch(
                row["lead_id"],
                row["campaign"],
                row["referral_code"],
                orjson.loads(row["answers"]),
            )
            known.touches[row["customer_id"]].append((row["position"], touch))
        for row in await driver.fetch(_STEPS, customers):
            if worked_on(row["kind"], row["reason"]):
                known.handled[row["customer_id"]].add(row["lead_id"])
        for row in await driver.fetch(_CONTACTS, customers):
            known.handled[row["customer_id"]].add(row["lead_id"])
        known.buyers = {row["customer_id"] for row in await driver.fetch(_BUYERS, customers)}
        known.survivors = {row["merged_into"] for row in await driver.fetch(_SURVIVORS, customers)}

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> ImportedRow:
        """The row with its customer and lead as they are now, and what happened since."""
        command: TakeBackRow = input.value
        known = rows.part(TakenBack)
        customer = rows.customer(command.customer_id)
        lead = rows.leads.get(command.lead_id)
        place = known.positions.get(command.touch_id, 0)
        changed = known.changes.get(command.row_number)
        row = ImportedRow(
            row_number=command.row_number,
            touch_id=command.touch_id,
            customer=customer,
            lead=lead,
            changes=None if changed is None else import_rows.read_changes(changed, customer, lead),
            since=SinceThen(
                touches=tuple(
                    touch
                    for position, touch in known.touches.get(command.customer_id, ())
                    if position > place
                ),
                handled=frozenset(known.handled.get(command.customer_id, ())),
                bought=command.customer_id in known.buyers,
                merged=command.customer_id in known.survivors,
            ),
            scorecard=_without(rows, command),
        )
        return row if lead is None else replace(row, community=rows.community(lead.community_id))

    def put(self, rows: IntakeWorkingSet, state: ImportedRow) -> None:
        """Keep what became of the customer, the lead and the row."""
        known = rows.part(TakenBack)
        known.rows.append(state)
        rows.put_dossier(
            Dossier(customer=state.customer, lead=state.lead, steps=state.steps, facts=state.facts)
        )
        if state.customer is None:
            return
        customer_id = state.customer.customer_id
        freed = list(state.freed)
        if state.emptied:
            known.emptied.append(customer_id)
            freed += [own for own, owner in rows.owners.items() if owner == customer_id]
        for identifier in freed:
            known.freed.append((int(identifier.kind), identifier.value, customer_id))
            rows.owners.pop(identifier, None)

    async def save(self, connection: AsyncConnection, rows: IntakeWorkingSet) -> None:
        """Free identifiers, mark touches, and note what the taking back came to."""
        known = rows.part(TakenBack)
        if not known.rows:
            return
        driver = await driver_of(connection)
        if known.freed:
            kinds, values, owners = zip(*known.freed, strict=True)
            await driver.execute(_FREE, list(kinds), list(values), list(owners))
        if known.emptied:
            await holdings.erase(connection, known.emptied)
        await driver.execute(
            _WITHDRAW_TOUCHES, [row.touch_id for row in known.rows], known.rows[0].withdrawn_at
        )
        await import_rows.note_undo(connection, known.import_id, known.rows)


def _without(rows: IntakeWorkingSet, command: TakeBackRow) -> Scorecard:
    """By what the lead is scored, without the touch that is taken back."""
    cards = rows.part(Scorecards)
    card = cards.card(rows)
    cards.forget(command.lead_id, command.touch_id)
    return card
