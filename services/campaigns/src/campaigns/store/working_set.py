"""The part of the store that a batch of inputs looks at, in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from campaigns.domain import desk, dispatch, membership
from campaigns.domain.campaign import Campaign, Entered
from campaigns.domain.customer_file import CustomerFile, root_of
from campaigns.domain.desk import Catalogue
from campaigns.domain.dispatch import SendFile
from campaigns.domain.ledger import Entry
from campaigns.domain.membership import Membership, together
from campaigns.domain.people import Person
from campaigns.domain.policy import Policy
from campaigns.domain.referral import Referral
from campaigns.domain.sending import Send
from campaigns.domain.standing import standing
from campaigns.domain.template import Template
from campaigns.store.documents import POLICY_NAME, Located, MemberRecord
from campaigns.store.needs import TIMER_OWNER, codes_in, customers_in
from keyturn_chassis.database import Loaded
from keyturn_chassis.inputs import Input
from keyturn_chassis.service import Deadline
from keyturn_events import Refusal, RefusalKind
from keyturn_events.vocabulary import Tier

State: TypeAlias = CustomerFile | SendFile | Catalogue


@dataclass(slots=True)
class CampaignsWorkingSet:
    """Everything that the decisions of one batch look at, with what they have made of it."""

    people: Loaded[str, Located]
    campaigns: Loaded[str, Campaign]
    templates: Loaded[str, Template]
    policies: Loaded[str, Policy]
    sends: Loaded[str, Send]
    referrals: Loaded[str, Referral]
    members: Loaded[str, MemberRecord]
    owners: dict[str, str]
    """Whose each referral code is."""
    entered: Mapping[str, list[Entered]]
    """By customer id."""
    entries: dict[str, list[Entry]]
    """By member id."""
    new_owners: dict[str, str] = field(default_factory=dict)
    new_entries: list[tuple[str, Entry]] = field(default_factory=list)
    _changed_members: dict[str, None] = field(default_factory=dict)
    _known_entries: set[str] = field(default_factory=set)
    _groups: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _by_referred: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _by_code: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _sends_of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _codes_of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        for located in self.people.values():
            self._groups[located.root].add(located.person.customer_id)
        for referral in self.referrals.values():
            self._index(referral)
        for entries in self.entries.values():
            self._known_entries.update(entry.entry_id for entry in entries)
        for send in self.sends.values():
            self._sends_of[send.customer_id].add(send.message_id)
        for code, owner in self.owners.items():
            self._codes_of[owner].add(code)

    def state_for(self, input: Input[Any], /) -> State:
        """The state that an input's decision looks at."""
        match input.value:
            case dispatch.Claim() | dispatch.Delivered() | dispatch.Failed() | dispatch.Lost():
                return self._send_file(input.value.message_id)
            case desk.CreateCampaign() | desk.ChangeCampaign():
                return self._catalogue(campaign=input.value.campaign.code)
            case desk.PutTemplate():
                return self._catalogue(template=input.value.template.code)
            case desk.PutPolicy():
                return self._catalogue()
            case _:
                return self._customer_file(customers_in(input.value), codes_in(input.value))

    def put(self, state: State, /) -> None:
        """Take the state that a decision returned."""
        match state:
            case CustomerFile():
                self._put_customer_file(state)
            case SendFile():
                self.sends.put(state.send.message_id, state.send)
                root = state.person.root
                self.people.put(root.customer_id, Located(state.person.customer_id, root))
            case Catalogue():
                if state.campaign is not None:
                    self.campaigns.put(state.campaign.code, state.campaign)
                if state.template is not None:
                    self.templates.put(state.template.code, state.template)
                self.policies.put(POLICY_NAME, state.policy)

    def deadlines(self) -> Mapping[str, Sequence[Deadline]]:
        """When lots of those whose ledger changed become active or expire.

        Each id has the timers of its own lots, whoever it is merged with.
        """
        return {
            f"{TIMER_OWNER}{key}": [
                Deadline(str(deadline.kind), deadline.due_at, deadline.lot_id)
                for deadline in membership.deadlines(self._membership(key))
            ]
            for key in self._changed_members
        }

    def _customer_file(self, customers: Sequence[str], mentioned: Iterable[str]) -> CustomerFile:
        """The file of the first of `customers`, with all of them in view."""
        ids = {member for customer in customers for member in self._group(customer)}
        codes = {code for customer in ids for code in self._codes_of.get(customer, ())}
        codes.update(mentioned)
        found = {r for customer in ids for r in self._by_referred.get(customer, ())}
        found.update(r for code in codes for r in self._by_code.get(code, ()))
        # Who came with one owner's code may have come with another's before.
        came = {r.referred_id for key in found if (r := self.referrals.get(key)) is not None}
        for referred in came:
            for customer in self._group(referred):
                found |= self._by_referred.get(customer, set())
        referrals = {key: r for key in found if (r := self.referrals.get(key)) is not None}
        codes.update(referral.code for referral in referrals.values())
        owners = {code: self.owners[code] for code in codes if code in self.owners}
        in_view = set(ids)
        for other in (*owners.values(), *(r.referred_id for r in referrals.values())):
            in_view |= self._group(other)
        return CustomerFile(
            customer_id=customers[0],
            people={key: self._person(key) for key in in_view},
            campaigns=tuple(self.campaigns.values()),
            entered=tuple(known for key in ids for known in self.entered.get(key, ())),
            sends={
                message_id: send
                for key in ids
                for message_id in self._sends_of.get(key, ())
                if (send := self.sends.get(message_id)) is not None
            },
            owners=owners,
            referrals=referrals,
            memberships={key: self._membership(key) for key in in_view},
        )

    def _send_file(self, message_id: str) -> SendFile:
        send = self.sends.get(message_id)
        campaign = None if send is None else self.campaigns.get(send.campaign)
        if send is None or campaign is None:
            raise Refusal(
                "no-such-message", "There is no such message.", kind=RefusalKind.NOT_FOUND
            )
        ids = self._group(send.customer_id)
        root = self._root(send.customer_id)
        codes = sorted((key != root, code) for key in ids for code in self._codes_of.get(key, ()))
        return SendFile(
            send,
            standing(root, [self._person(key) for key in ids]),
            campaign,
            self.policies.get(POLICY_NAME) or Policy(),
            {template.code: template for template in self.templates.values()},
            codes[0][1] if codes else None,
        )

    def _catalogue(self, *, campaign: str = "", template: str = "") -> Catalogue:
        return Catalogue(
            self.policies.get(POLICY_NAME) or Policy(),
            self.campaigns.get(campaign),
            self.templates.get(template),
            frozenset(known.code for known in self.templates.values()),
        )

    def _put_customer_file(self, file: CustomerFile) -> None:
        for key, person in file.people.items():
            self._locate(person, root_of(file.people, key))
        for referral in file.referrals.values():
            self.referrals.put(referral.referral_id, referral)
            self._index(referral)
        for send in file.sends.values():
            self.sends.put(send.message_id, send)
            self._sends_of[send.customer_id].add(send.message_id)
            self._enter(send)
        for code, owner in file.owners.items():
            if code not in self.owners:
                self.owners[code] = self.new_owners[code] = owner
                self._codes_of[owner].add(code)
        for root, own in file.members().items():
            tier = together(root, own).tier
            for each in own:
                self._put_membership(each, tier)

    def _locate(self, person: Person, root: str) -> None:
        before = self.people.get(person.customer_id)
        if before is not None and before.root != root:
            self._groups[before.root].discard(person.customer_id)
        self._groups[root].add(person.customer_id)
        self.people.put(person.customer_id, Located(root, person))

    def _enter(self, send: Send) -> None:
        known = self.entered.get(send.customer_id)
        entered = Entered(send.campaign, send.occurrence, send.entered_at)
        if known is not None and entered not in known:
            known.append(entered)

    def _put_membership(self, own: Membership, tier: Tier) -> None:
        """Keep what an id has in the club, with the tier of the whole person."""
        key = own.member_id
        record = self.members.get(key)
        new = [entry for entry in own.entries if entry.entry_id not in self._known_entries]
        if not new and record is None and own.enrolled_at is None:
            return
        for entry in new:
            self._known_entries.add(entry.entry_id)
            self.entries.setdefault(key, []).append(entry)
            self.new_entries.append((key, entry))
        if new:
            self._changed_members[key] = None
        revision = 0 if record is None else record.revision
        self.members.put(key, MemberRecord(own.enrolled_at, tier, revision + len(new)))
        for other in self._group(key) - {key} if new else ():
            with_us = self.members.get(other)
            if with_us is not None:
                revised = replace(with_us, tier=tier, revision=with_us.revision + len(new))
                self.members.put(other, revised)

    def _membership(self, key: str) -> Membership:
        record = self.members.get(key)
        since = None if record is None else record.enrolled_at
        return Membership(
            key, {} if since is None else {key: since}, tuple(self.entries.get(key, ()))
        )

    def _index(self, referral: Referral) -> None:
        self._by_referred[referral.referred_id].add(referral.referral_id)
        self._by_code[referral.code].add(referral.referral_id)

    def _person(self, customer_id: str) -> Person:
        located = self.people.get(customer_id)
        return Person(customer_id) if located is None else located.person

    def _root(self, customer_id: str) -> str:
        located = self.people.get(customer_id)
        return customer_id if located is None else located.root

    def _group(self, customer_id: str) -> set[str]:
        """Every id of the person to whom `customer_id` belongs."""
        return self._groups.get(self._root(customer_id), set()) | {customer_id}
