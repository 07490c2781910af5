"""States that are kept as one document under their key: adding a kind is one line here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.communities import Community
from intake.domain.leads.advisors import Advisor
from intake.domain.partners.partners import Building, Partner
from intake.domain.people.merges import Merge
from intake.domain.people.recognition import MatchingGate
from intake.domain.people.reviews import Review
from intake.domain.privacy.erasures import Erasure
from intake.domain.sales.homes import Home
from intake.domain.sales.releases import Release
from intake.store import tables
from intake.store.documents import document
from keyturn_chassis.database import Loaded, save_versioned
from keyturn_chassis.driver import driver_of

V = TypeVar("V")

Key: TypeAlias = tuple[str, ...]
"""The values of the key columns, in their order."""


@dataclass(frozen=True, slots=True)
class Aggregate(Generic[V]):
    """One kind of state: its table, and which key and columns a state has there.

    The table has the key columns, `version`, `document`, and what `columns` gives for its indexes.
    """

    table: Table
    state: type[V]
    key_of: Callable[[V], Key]
    columns: Callable[[V], Mapping[str, Any]] = lambda _: {}

    async def load(
        self, connection: AsyncConnection, keys: Collection[Key]
    ) -> dict[Key, tuple[int, V]]:
        """Version and state of these keys, as far as there are any, by one statement."""
        if not keys:
            return {}
        names = self._key_names()
        driver = await driver_of(connection)
        arrays = ", ".join(f"${number}::text[]" for number in range(1, len(names) + 1))
        listed = ", ".join(names)
        rows = await driver.fetch(
            f"SELECT {listed}, version, document::text FROM {self.table.name}"  # noqa: S608
            f" JOIN unnest({arrays}) AS wanted ({listed}) USING ({listed})",
            *([key[place] for key in keys] for place in range(len(names))),
        )
        read = _adapter(self.state).validate_json
        return {
            tuple(row[name] for name in names): (row["version"], read(row["document"]))
            for row in rows
        }

    async def save(self, connection: AsyncConnection, states: Loaded[Key, V]) -> None:
        """Write the states that changed."""
        names = self._key_names()
        await save_versioned(
            connection,
            self.table,
            [
                {
                    **dict(zip(names, key, strict=True)),
                    "version": version,
                    "document": document(_adapter(self.state), state),
                    **self.columns(state),
                }
                for key, version, state in states.changes()
            ],
        )

    def _key_names(self) -> Sequence[str]:
        return [column.name for column in self.table.primary_key.columns]


AGGREGATES: Final[tuple[Aggregate[Any], ...]] = (
    Aggregate(
        tables.advisors,
        Advisor,
        lambda known: (known.advisor_id,),
        lambda known: {"communities": list(known.communities)},
    ),
    Aggregate(tables.communities, Community, lambda known: (str(known.community_id),)),
    Aggregate(
        tables.merges,
        Merge,
        lambda known: (known.merge_id,),
        lambda known: {
            "survivor_id": known.survivor_id,
            "merged_id": known.merged_id,
            "standing": known.undone is None,
        },
    ),
    Aggregate(tables.matching_gates, MatchingGate, lambda known: (known.gate,)),
    Aggregate(
        tables.reviews,
        Review,
        lambda known: (known.review_id,),
        lambda known: {
            "customer_id": known.customer_id,
            "other_customer_id": known.other_customer_id,
            "is_open": known.decision is None,
            "opened_at": known.opened_at,
        },
    ),
    Aggregate(tables.partners, Partner, lambda known: (known.partner_id,)),
    Aggregate(tables.buildings, Building, lambda known: (known.community_id, known.building)),
    Aggregate(
        tables.erasures,
        Erasure,
        lambda known: (known.erasure_id,),
        lambda known: {"status": known.status, "requested_at": known.requested_at},
    ),
    Aggregate(
        tables.homes,
        Home,
        lambda known: (known.home_id,),
        lambda known: {"community_id": known.community_id, "release_id": known.release_id},
    ),
    Aggregate(
        tables.releases,
        Release,
        lambda known: (known.release_id,),
        lambda known: {"community_id": known.community_id},
    ),
)
"""Every kind. A new one is loaded for whoever asks with `Needs.document`, and saved when put."""

AGGREGATE_OF: Final[Mapping[type, Aggregate[Any]]] = {each.state: each for each in AGGREGATES}
"""The kind by the type of its states."""

_ADAPTERS: Final[dict[type, TypeAdapter[Any]]] = {}


def _adapter(state: type[V]) -> TypeAdapter[V]:
    adapter = _ADAPTERS.get(state)
    if adapter is None:
        adapter = _ADAPTERS[state] = TypeAdapter(state)
    return adapter
