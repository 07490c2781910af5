"""Finds the customers whom somebody may be who brings no identifier that decides.

Only people of whom a birth date or an address is known are in the index, and only who brings one
is looked for in it, so that the ordinary capture costs nothing more. A batch follows its own
decisions: whoever an earlier input registered is found by a later one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.people.customers import Customer
from intake.domain.people.identity import Identity
from intake.domain.people.matching import MatchModel, score
from intake.domain.people.recognition import Candidate, MatchingGate
from intake.reading.comparing import findings
from intake.reading.known_people import record_of_customer, record_of_identity
from intake.reading.match_model_file import MatchModelFile, default_model
from intake.reading.matching_keys import gates_of, indexed_keys
from keyturn_chassis.driver import driver_of
from keyturn_events import Refusal

if TYPE_CHECKING:
    from intake.store.working_set import IntakeWorkingSet

MOST_OF_A_KEY: Final = 50
"""Customers that one key finds; a key that finds more tells nobody apart."""
MOST_CANDIDATES: Final = 50
"""Customers who are compared with one person: those who share the most keys."""

_FOUND: Final = (
    "SELECT wanted.key, found.customer_id FROM unnest($1::bigint[]) AS wanted (key)"
    " CROSS JOIN LATERAL (SELECT customer_id FROM matching_keys AS known"
    " WHERE known.key = wanted.key ORDER BY customer_id LIMIT $2) AS found"
)
_ADD: Final = (
    "INSERT INTO matching_keys (key, customer_id)"
    " SELECT * FROM unnest($1::bigint[], $2::text[]) ON CONFLICT DO NOTHING"
)
_NEWEST: Final = "SELECT version FROM match_models ORDER BY version DESC LIMIT 1"
_MODEL: Final = "SELECT document::text FROM match_models WHERE version = $1"
REMEMBERED_MODELS: Final = 4
"""Models that a process keeps in memory."""

_models: dict[tuple[int, str], MatchModel] = {}


def is_matchable(who: Customer | Identity) -> bool:
    """Whether enough is known to look somebody up by what they say of themselves."""
    return who.birth_date is not None or who.address is not None


@dataclass(slots=True)
class MatchingIndex:
    """The customers in question by their keys, and what they are weighed by."""

    model: MatchModel | None = None
    by_key: dict[int, dict[str, None]] = field(default_factory=dict)
    added: dict[tuple[int, str], None] = field(default_factory=dict)
    gates: frozenset[str] = frozenset()
    """The gates that those pass who come with the batch."""

    def candidates(self, rows: IntakeWorkingSet, identity: Identity) -> tuple[Candidate, ...]:
        """The customers whom somebody may be, each with its score."""
        if self.model is None or not is_matchable(identity):
            return ()
        record = record_of_identity(identity)
        shared = Counter(
            customer_id for key in indexed_keys(record) for customer_id in self.by_key.get(key, ())
        )
        ranked = sorted(shared, key=lambda customer_id: (-shared[customer_id], customer_id))
        return tuple(
            Candidate(
                customer,
                score(self.model, findings(record, record_of_customer(customer, identity))),
            )
            for customer_id in ranked[:MOST_CANDIDATES]
            if (customer := rows.customers.get(customer_id)) is not None and is_matchable(customer)
        )

    def follow(self, rows: IntakeWorkingSet, before: Customer | None, customer: Customer) -> None:
        """Find a customer from now on by what has become known of them."""
        if before is not None and _looked_up_by(before) == _looked_up_by(customer):
            return
        record = record_of_customer(customer)
        for key in indexed_keys(record):
            found = self.by_key.setdefault(key, {})
            if customer.customer_id not in found:
                found[customer.customer_id] = None
                self.added[key, customer.customer_id] = None
        for gate in self.gates.intersection(gates_of(record)):
            known = rows.document(MatchingGate, gate) or MatchingGate(gate)
            rows.put_document(MatchingGate(gate, known.people + 1))

    @property
    def customer_ids(self) -> set[str]:
        """Everybody who was found."""
        return {customer_id for found in self.by_key.values() for customer_id in found}

    async def save(self, connection: AsyncConnection) -> None:
        """Write the keys that are new."""
        if self.added:
            keys, customer_ids = zip(*sorted(self.added), strict=True)
            driver = await driver_of(connection)
            await driver.execute(_ADD, list(keys), list(customer_ids))


async def matching_index(
    connection: AsyncConnection, identities: Iterable[Identity | Refusal]
) -> MatchingIndex:
    """The customers whom those may be who come; nothing is asked when none says enough."""
    records = [record_of_identity(identity) for identity in _matchable(identities)]
    if not records:
        return MatchingIndex()
    driver = await driver_of(connection)
    index = MatchingIndex(
        model=await model_in_use(connection),
        gates=frozenset(gate for record in records for gate in gates_of(record)),
    )
    wanted = sorted({key for record in records for key in indexed_keys(record)})
    for row in await driver.fetch(_FOUND, wanted, MOST_OF_A_KEY):
        index.by_key.setdefault(row["key"], {})[row["customer_id"]] = None
    return index


async def model_in_use(connection: AsyncConnection) -> MatchModel:
    """The model learnt last from the service's own customers; without one, the package's."""
    driver = await driver_of(connection)
    version = await driver.fetchval(_NEWEST)
    if version is None:
        return default_model()
    key = (version, await driver.fetchval("SELECT current_database()"))
    if key not in _models:
        if len(_models) >= REMEMBERED_MODELS:
            _models.clear()
        document = await driver.fetchval(_MODEL, version)
        _models[key] = MatchModelFile.model_validate_json(document).model()
    return _models[key]


def _looked_up_by(customer: Customer) -> tuple[object, ...]:
    return customer.name, customer.birth_date, customer.address


def _matchable(identities: Iterable[Identity | Refusal]) -> Iterator[Identity]:
    for identity in identities:
        if isinstance(identity, Identity) and is_matchable(identity):
            yield identity
