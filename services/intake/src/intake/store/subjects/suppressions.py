"""Who was erased is not brought back: keyed hashes of identifiers that nobody owns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.people.identity import Identifier, Identity
from intake.domain.privacy.suppression_commands import Lifting, LiftSuppression, SuppressionFile
from intake.keyring import keyring
from intake.store import tables
from intake.store.needs import Needs, Visitor
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.database import insert_rows
from keyturn_chassis.driver import driver_of
from keyturn_chassis.inputs import Input
from keyturn_events import Refusal

PURPOSE: Final = "suppression"
"""What the keyring's keys are derived for."""

_FIND: Final = "SELECT hash, suppressed_at FROM suppressions WHERE hash = ANY($1::bytea[])"
_REMOVE: Final = "DELETE FROM suppressions WHERE hash = ANY($1::bytea[])"
_AGAIN: Final = (
    "(hash) DO UPDATE SET erasure_id = excluded.erasure_id, suppressed_at = excluded.suppressed_at"
)


@dataclass(slots=True)
class LiftingNeeds:
    """The inputs that lift suppressions: what they name is looked up whoever owns it."""

    inputs: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Suppressed:
    """The suppressed identifiers of a batch, since when, and what became of them."""

    known: dict[Identifier, datetime] = field(default_factory=dict)
    new: dict[Identifier, tuple[str, datetime]] = field(default_factory=dict)
    """With the erasure that suppresses them."""
    lifted: list[Lifting] = field(default_factory=list)

    def add(self, identifiers: Iterable[Identifier], erasure_id: str, at: datetime) -> None:
        """Keep identifiers of an erased person out from now on."""
        for identifier in identifiers:
            self.known[identifier] = at
            self.new[identifier] = (erasure_id, at)


class Suppressions(Subject):
    """Looking up who must not be brought back, and letting somebody in again."""

    inputs = (LiftSuppression,)
    states = (SuppressionFile,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The identifiers, read as those of somebody who comes."""
        command: LiftSuppression = input.value
        needs.visitors[id(input)] = Visitor(command.person, None)
        needs.part(LiftingNeeds).inputs.add(id(input))

    async def load(self, connection: AsyncConnection, needs: Needs, rows: IntakeWorkingSet) -> None:
        """Which identifiers are suppressed, of those that nobody owns: one look into an index."""
        wanted = set(_asked(rows.identities, rows.owners, needs.part(LiftingNeeds).inputs))
        if not wanted:
            return
        by_hash = {digest: identifier for identifier in wanted for digest in hashes(identifier)}
        driver = await driver_of(connection)
        suppressed = rows.part(Suppressed)
        for row in await driver.fetch(_FIND, list(by_hash)):
            suppressed.known[by_hash[bytes(row["hash"])]] = row["suppressed_at"]

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> SuppressionFile:
        """The identifiers with those of them that are suppressed. Raises `Refusal` as capture."""
        identity = rows.identities[id(input)]
        if isinstance(identity, Refusal):
            raise identity
        known = rows.part(Suppressed).known
        return SuppressionFile(identity, {i: known[i] for i in identity.identifiers if i in known})

    def put(self, rows: IntakeWorkingSet, state: SuppressionFile) -> None:
        """Let the lifted ones in."""
        suppressed = rows.part(Suppressed)
        for lifting in state.lifted:
            suppressed.known.pop(lifting.identifier, None)
            suppressed.new.pop(lifting.identifier, None)
            suppressed.lifted.append(lifting)

    async def save(self, connection: AsyncConnection, rows: IntakeWorkingSet) -> None:
        """Write hashes, never an identifier; each lifting goes on record."""
        suppressed = rows.part(Suppressed)
        if suppressed.lifted:
            gone = [digest for each in suppressed.lifted for digest in hashes(each.identifier)]
            driver = await driver_of(connection)
            await driver.execute(_REMOVE, gone)
            await insert_rows(
                connection, tables.suppression_liftings, [_lifting(e) for e in suppressed.lifted]
            )
        key_id = keyring().newest
        await insert_rows(
            connection,
            tables.suppressions,
            [
                {
                    "hash": next(hashes(identifier)),
                    "key_id": key_id,
                    "kind": int(identifier.kind),
                    "erasure_id": erasure_id,
                    "suppressed_at": at,
                }
                for identifier, (erasure_id, at) in sorted(suppressed.new.items())
            ],
            on_conflict=_AGAIN,
        )


def suppressed_of(rows: IntakeWorkingSet, identity: Identity) -> Mapping[Identifier, datetime]:
    """The suppressed identifiers of somebody who comes, that nobody owns as of now."""
    known = rows.part(Suppressed).known
    if not known:
        return known
    return {i: known[i] for i in identity.identifiers if i in known and i not in rows.owners}


def hashes(identifier: Identifier) -> Iterator[bytes]:
    """The keyed hash of an identifier by each key, the newest first."""
    return keyring().macs(PURPOSE, f"{int(identifier.kind)}:{identifier.value}".encode())


def _asked(
    identities: Mapping[int, Identity | Refusal],
    owners: Mapping[Identifier, str],
    liftings: Collection[int],
) -> Iterator[Identifier]:
    for key, identity in identities.items():
        if isinstance(identity, Identity):
            for identifier in identity.identifiers:
                if identifier not in owners or key in liftings:
                    yield identifier


def _lifting(lifting: Lifting) -> dict[str, Any]:
    return {
        "hash": next(hashes(lifting.identifier)),
        "key_id": keyring().newest,
        "kind": int(lifting.identifier.kind),
        "lifted_at": lifting.at,
        "lifted_by": lifting.by,
        "reason": lifting.reason,
    }
