"""What intake holds on people: for the access export, and what an erasure does with each of it.

Every table of the service stands here, so that none can be forgotten: tests hold it against the
declared tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.store import tables
from intake.store.subjects.merges import LINKED
from keyturn_chassis.driver import driver_of
from keyturn_chassis.holdings import Holding, Holdings
from keyturn_events.erasure import counted
from keyturn_events.values import ErasureCount
from keyturn_events.vocabulary import ErasureTreatment

_OF_LEADS: Final = "held.lead_id IN (SELECT lead_id FROM leads WHERE customer_id = ANY($1::text[]))"
_OF_IMPORTS: Final = (
    "held.customer_id = ANY($1::text[]) AND held.import_id IN (SELECT t.import_id FROM leads"
    " JOIN touches AS t USING (lead_id) WHERE leads.customer_id = ANY($1::text[]))"
)
_OF_PURCHASES: Final = (
    "held.purchase_id IN (SELECT purchase_id FROM purchases WHERE customer_id = ANY($1::text[]))"
)
_OF_ERASURES: Final = (
    "held.erasure_id IN"
    " (SELECT erasure_id FROM erased_customers WHERE customer_id = ANY($1::text[]))"
)
_WITHOUT_REASONS: Final = (
    "document = held.document || jsonb_build_object('reason', '')"
    " || CASE WHEN held.document ? 'undone' THEN jsonb_build_object("
    "'undone', held.document->'undone' || jsonb_build_object('reason', '')) ELSE '{}'::jsonb END"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A table with rows on people, and what an erasure does with them."""

    holding: Holding
    treatment: ErasureTreatment
    reason: str | None = None
    """Why rows stay."""
    blank: str | None = None
    """What takes the personal out of rows that stay, as the SET of an UPDATE."""
    unless: str | None = None
    """A condition by which a row has nothing personal in it any more."""

    @property
    def kind(self) -> str:
        """What a receipt calls these rows."""
        return self.holding.table.name.replace("_", "-")

    @property
    def erase(self) -> str | None:
        """The statement that erases, or None where nothing of it is to be written."""
        table, where = f'"{self.holding.table.name}" AS held', self.holding.where
        if self.treatment is ErasureTreatment.ERASED:
            return f"DELETE FROM {table} WHERE {where}"  # noqa: S608 - all of it is ours
        if self.unless is not None:
            where = f"{where} AND NOT ({self.unless})"
        if self.blank is not None:
            return f"UPDATE {table} SET {self.blank} WHERE {where}"  # noqa: S608 - all of it is ours
        return None


def _erased(holding: Holding) -> Held:
    return Held(holding=holding, treatment=ErasureTreatment.ERASED)


def _pseudonymised(
    holding: Holding, reason: str, blank: str | None = None, unless: str | None = None
) -> Held:
    return Held(
        holding=holding,
        treatment=ErasureTreatment.PSEUDONYMISED,
        reason=reason,
        blank=blank,
        unless=unless,
    )


def _kept(holding: Holding, reason: str) -> Held:
    return Held(holding=holding, treatment=ErasureTreatment.KEPT, reason=reason)


HELD: Final = (
    # Written by the decision itself: see erasures.forgotten.
    _pseudonymised(Holding(table=tables.customers), "ledger"),
    _erased(Holding(table=tables.identifiers)),
    _erased(Holding(table=tables.consent_words)),
    _erased(Holding(table=tables.matching_keys)),
    _erased(
        Holding(
            table=tables.reviews,
            where=(
                "(held.customer_id = ANY($1::text[]) OR held.other_customer_id = ANY($1::text[]))"
            ),
        )
    ),
    _pseudonymised(
        Holding(
            table=tables.merges,
            where="(held.survivor_id = ANY($1::text[]) OR held.merged_id = ANY($1::text[]))",
        ),
        "ledger",
        _WITHOUT_REASONS,
    ),
    _pseudonymised(
        Holding(table=tables.leads), "attribution", "search_terms = ''", "held.search_terms = ''"
    ),
    _pseudonymised(
        Holding(table=tables.touches, where=_OF_LEADS),
        "attribution",
        "answers = '{}', source_reference = NULL, recognition = NULL",
        "held.answers = '{}' AND held.source_reference IS NULL AND held.recognition IS NULL",
    ),
    _kept(Holding(table=tables.lead_steps, where=_OF_LEADS), "attribution"),
    _kept(Holding(table=tables.ownership_facts, where=_OF_LEADS), "lead-ownership"),
    _pseudonymised(
        Holding(table=tables.import_rows, where=_OF_IMPORTS),
        "import-counts",
        "changes = NULL",
        "held.changes IS NULL",
    ),
    # Who is not there any more wishes for nothing: the number is passed over when its turn comes.
    _pseudonymised(
        Holding(table=tables.queue_numbers),
        "release-record",
        "wishes = NULL, claimed_at = NULL, version = held.version + 1",
        "held.outcome IS NOT NULL OR held.wishes IS NULL",
    ),
    _kept(Holding(table=tables.purchases), "ledger"),
    _kept(Holding(table=tables.deposits, where=_OF_PURCHASES), "ledger"),
)
"""In the order of a person's journey."""

OF_ERASURES: Final = (
    Holding(table=tables.erased_customers),
    Holding(table=tables.erasures, where=_OF_ERASURES),
    Holding(table=tables.suppressions, where=_OF_ERASURES),
)
"""What says that there was an erasure: it outlives the person."""


async def person_ids(connection: AsyncConnection, customer_id: str) -> list[str]:
    """Every id that means the same person, that one first."""
    driver = await driver_of(connection)
    found = {row["customer_id"] for row in await driver.fetch(LINKED, [customer_id])}
    return [customer_id, *sorted(found - {customer_id})]


HOLDINGS: Final = Holdings(
    ids_of=person_ids,
    tables=(*(held.holding for held in HELD), *OF_ERASURES),
    passing=(tables.imports, tables.import_chunks, tables.import_rejections),
    impersonal=(
        tables.communities,
        tables.buildings,
        tables.partners,
        tables.partner_records,
        tables.advisors,
        tables.homes,
        tables.releases,
        tables.matching_gates,
        tables.match_models,
        tables.scoring_models,
        tables.suppression_liftings,
    ),
)

_COUNT: Final = " UNION ALL ".join(
    f"SELECT {place} AS place, count(*) AS rows"  # noqa: S608 - all of it is ours
    f' FROM "{held.holding.table.name}" AS held WHERE {held.holding.where}'
    for place, held in enumerate(HELD)
)
_UNSENT_CONTACTS: Final = (
    "DELETE FROM outbox WHERE aggregatetype = 'intake.contacts'"
    " AND aggregateid = ANY($1::text[]) AND payload IS NOT NULL"
)
_ORIGINALS: Final = (
    "UPDATE import_rejections SET original = NULL"
    " WHERE original IS NOT NULL AND original LIKE ANY($1::text[])"
)
_PARKED: Final = (
    "DELETE FROM dead_letters WHERE EXISTS ("
    "SELECT FROM unnest($1::bytea[]) AS word WHERE position(word in value) > 0)"
)


async def count(connection: AsyncConnection, ids: Sequence[str]) -> tuple[ErasureCount, ...]:
    """What is held on who has these ids, and what an erasure does with it."""
    driver = await driver_of(connection)
    rows = {row["place"]: row["rows"] for row in await driver.fetch(_COUNT, list(ids))}
    return tuple(
        line
        for place, held in enumerate(HELD)
        for line in counted(held.kind, held.treatment, rows[place], held.reason)
    )


async def erase(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Take everything personal from all tables: done again, it takes what has come since."""
    driver = await driver_of(connection)
    for held in HELD:
        if held.erase is not None:
            await driver.execute(held.erase, list(ids))
    # A contact that is not sent yet is overtaken by the tombstone that follows it.
    await driver.execute(_UNSENT_CONTACTS, list(ids))


async def erase_words(connection: AsyncConnection, words: Sequence[str]) -> None:
    """Take rows of files and records of partners that could not be read and say any of `words`."""
    if not words:
        return
    driver = await driver_of(connection)
    await driver.execute(_ORIGINALS, [f"%{_escaped(word)}%" for word in words])
    await driver.execute(_PARKED, [word.encode() for word in words])


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
