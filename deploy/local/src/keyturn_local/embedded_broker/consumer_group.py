"""One consumer group: who its members are, and how they share the partitions.

The classic protocol. Members *join*; when all known members have (or time is up), a generation
begins: the leader learns of everybody, decides who gets what, and all *sync* to learn their share.
Whoever stays silent longer than its session leaves, and the rest join again.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from enum import Enum, auto

from keyturn_local.embedded_broker.errors import ErrorCode, Rejected

MIN_SESSION_MS = 1_000
MAX_SESSION_MS = 1_800_000


class GroupState(Enum):
    """Where a group is between two generations."""

    EMPTY = auto()
    JOINING = auto()
    """Waits for every known member to join."""
    SYNCING = auto()
    """Waits for the leader's assignment."""
    STABLE = auto()


@dataclass(frozen=True, slots=True)
class Joined:
    """What a member learns when a generation begins."""

    generation: int
    protocol: str
    leader: str
    member: str
    members: list[tuple[str, bytes]]
    """All members with their subscription; told to the leader alone."""


@dataclass(slots=True)
class _Member:
    id: str
    session: float
    rebalance: float
    protocols: list[tuple[str, bytes]]
    assignment: bytes = b""
    joining: asyncio.Future[Joined] | None = None
    syncing: asyncio.Future[bytes] | None = None
    expiry: asyncio.TimerHandle | None = None

    def subscription(self, protocol: str) -> bytes:
        return dict(self.protocols)[protocol]


class ConsumerGroup:
    """The members of one group and their present generation."""

    def __init__(self) -> None:
        self.state = GroupState.EMPTY
        self.generation = 0
        self._protocol = ""
        self._leader = ""
        self._members: dict[str, _Member] = {}
        self._patience: asyncio.TimerHandle | None = None

    async def join(
        self,
        member_id: str,
        client_id: str,
        session_ms: int,
        rebalance_ms: int,
        protocols: list[tuple[str, bytes]],
    ) -> Joined:
        """Join, or join again; wait for the generation to begin.

        Raises:
            Rejected: the member is not known, or cannot agree with the others.
        """
        if not MIN_SESSION_MS <= session_ms <= MAX_SESSION_MS:
            raise Rejected(ErrorCode.INVALID_SESSION_TIMEOUT)
        if not protocols or (self._members and not self._common(protocols, besides=member_id)):
            raise Rejected(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        if member_id:
            member = self._member(member_id)
            unchanged = member.protocols == protocols
            member.protocols = protocols
            if unchanged and self._needs_no_rebalance(member):
                self._keep_alive(member)
                return self._joined(member)
        else:
            new_id = f"{client_id}-{uuid.uuid4()}"
            member = _Member(new_id, session_ms / 1000, rebalance_ms / 1000, protocols)
            self._members[new_id] = member
        if member.joining is not None and not member.joining.done():
            # The same member asks once more, so nobody waits for the first answer.
            member.joining.set_exception(Rejected(ErrorCode.REBALANCE_IN_PROGRESS))
        joining: asyncio.Future[Joined] = asyncio.get_running_loop().create_future()
        member.joining = joining
        self._rebalance()
        return await joining

    async def sync(self, member_id: str, generation: int, assignments: dict[str, bytes]) -> bytes:
        """Learn this member's share; the leader brings everybody's.

        Raises:
            Rejected: the member or generation is not the present one, or the group joins anew.
        """
        member = self._check(member_id, generation)
        if self.state is GroupState.JOINING:
            raise Rejected(ErrorCode.REBALANCE_IN_PROGRESS)
        self._keep_alive(member)
        if self.state is GroupState.SYNCING:
            if member_id != self._leader:
                member.syncing = asyncio.get_running_loop().create_future()
                return await member.syncing
            self.state = GroupState.STABLE
            for other in self._members.values():
                other.assignment = assignments.get(other.id, b"")
                if other.syncing is not None and not other.syncing.done():
                    other.syncing.set_result(other.assignment)
                other.syncing = None
        return member.assignment

    def heartbeat(self, member_id: str, generation: int) -> None:
        """Note that a member lives.

        Raises:
            Rejected: the member or generation is not the present one, or the group joins anew.
        """
        self._keep_alive(self._check(member_id, generation))
        if self.state is GroupState.JOINING:
            raise Rejected(ErrorCode.REBALANCE_IN_PROGRESS)

    def leave(self, member_id: str) -> None:
        """A member leaves by itself.

        Raises:
            Rejected: there is no such member.
        """
        self._remove(self._member(member_id))

    def check_commit(self, member_id: str, generation: int) -> None:
        """Refuse an offset from a member that no longer owns its partitions.

        A group that has had no generation since the broker started has no owners yet: then the
        members from before the restart may still say how far they got.

        Raises:
            Rejected: the member or generation is not the present one.
        """
        if not self._members and (generation < 0 or self.generation == 0):
            return
        self._check(member_id, generation)
        if self.state is GroupState.SYNCING:
            raise Rejected(ErrorCode.REBALANCE_IN_PROGRESS)

    def _member(self, member_id: str) -> _Member:
        member = self._members.get(member_id)
        if member is None:
            raise Rejected(ErrorCode.UNKNOWN_MEMBER_ID)
        return member

    def _check(self, member_id: str, generation: int) -> _Member:
        member = self._member(member_id)
        if generation != self.generation:
            raise Rejected(ErrorCode.ILLEGAL_GENERATION)
        return member

    def _needs_no_rebalance(self, member: _Member) -> bool:
        if self.state is GroupState.SYNCING:
            return True
        return self.state is GroupState.STABLE and member.id != self._leader

    def _common(self, protocols: list[tuple[str, bytes]], *, besides: str = "") -> list[str]:
        """The protocols that all other members know too, in the order of `protocols`."""
        others = [member for member in self._members.values() if member.id != besides]
        known = [{name for name, _ in other.protocols} for other in others]
        return [name for name, _ in protocols if all(name in names for names in known)]

    def _rebalance(self) -> None:
        """Begin to join anew, or go on when everybody has joined."""
        if self.state is not GroupState.JOINING:
            self.state = GroupState.JOINING
            for member in self._members.values():
                if member.syncing is not None and not member.syncing.done():
                    member.syncing.set_exception(Rejected(ErrorCode.REBALANCE_IN_PROGRESS))
                member.syncing = None
            longest = max(member.rebalance for member in self._members.values())
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(longest, self._drop_absent)
        if all(member.joining is not None for member in self._members.values()):
            self._begin_generation()

    def _drop_absent(self) -> None:
        for member in list(self._members.values()):
            if member.joining is None:
                self._forget(member)
        self._begin_generation()

    def _begin_generation(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self.generation += 1
        if not self._members:
            self.state = GroupState.EMPTY
            return
        self.state = GroupState.SYNCING
        if self._leader not in self._members:
            self._leader = next(iter(self._members))
        self._protocol = self._common(self._members[self._leader].protocols)[0]
        for member in self._members.values():
            self._keep_alive(member)
            if member.joining is not None and not member.joining.done():
                member.joining.set_result(self._joined(member))
            member.joining = None

    def _joined(self, member: _Member) -> Joined:
        everybody = [
            (other.id, other.subscription(self._protocol)) for other in self._members.values()
        ]
        told = everybody if member.id == self._leader else []
        return Joined(self.generation, self._protocol, self._leader, member.id, told)

    def _keep_alive(self, member: _Member) -> None:
        if member.expiry is not None:
            member.expiry.cancel()
        loop = asyncio.get_running_loop()
        member.expiry = loop.call_later(member.session, self._expire, member)

    def _expire(self, member: _Member) -> None:
        # Whoever waits for the others to join is not silent.
        if member.joining is not None:
            self._keep_alive(member)
        else:
            self._remove(member)

    def _remove(self, member: _Member) -> None:
        self._forget(member)
        if not self._members:
            self._begin_generation()
        else:
            self._rebalance()

    def _forget(self, member: _Member) -> None:
        del self._members[member.id]
        if member.expiry is not None:
            member.expiry.cancel()
        for waiting in (member.joining, member.syncing):
            if waiting is not None and not waiting.done():
                waiting.set_exception(Rejected(ErrorCode.UNKNOWN_MEMBER_ID))
