"""What a decision on one customer looks at: the people in view, and what they have to do with us.

Several customer ids may be one person after merges. `Standing` is that person; their points,
referrals and messages are found by any of their ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from campaigns.domain.campaign import Campaign, Entered
from campaigns.domain.membership import Membership, apart, together
from campaigns.domain.people import Merge, Person
from campaigns.domain.referral import Referral
from campaigns.domain.sending import Send
from campaigns.domain.standing import Standing, standing


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """The state for what is heard of `customer_id`. Mappings are never changed in place."""

    customer_id: str
    people: Mapping[str, Person]
    """The records of the customer and of those whom their referrals concern, by id."""
    campaigns: tuple[Campaign, ...] = ()
    entered: tuple[Entered, ...] = ()
    """The campaigns into which the customer, by whatever id, went before."""
    sends: Mapping[str, Send] = field(default_factory=dict)
    """Messages to the customer that wait for an event, and those that are new."""
    owners: Mapping[str, str] = field(default_factory=dict)
    """Whose each referral code is."""
    referrals: Mapping[str, Referral] = field(default_factory=dict)
    """Those that concern the customer, as the one who recommended or the one who came."""
    memberships: Mapping[str, Membership] = field(default_factory=dict)
    """What each id has of its own in the club."""

    @property
    def customer(self) -> Standing:
        """The person whom this file is about."""
        return self.standing(self.customer_id)

    def standing(self, customer_id: str) -> Standing:
        """What holds for the person to whom an id belongs."""
        root = root_of(self.people, customer_id)
        records = [p for p in self.people.values() if root_of(self.people, p.customer_id) == root]
        return standing(root, records)

    def record(self, customer_id: str) -> Person:
        """The record of one id, empty when nothing has been heard of it."""
        return self.people.get(customer_id) or Person(customer_id)

    def membership(self, root: str) -> Membership:
        """The membership of a person: what all their ids have. Not enrolled if they are no member.

        An id keeps through a merge what is its own, so that an un-merge has nothing to divide.
        """
        return together(root, self.members().get(root, ()))

    def members(self) -> Mapping[str, Sequence[Membership]]:
        """By surviving id, what each id of a person has of its own."""
        members: dict[str, list[Membership]] = {}
        for key in sorted(self.memberships):
            root = root_of(self.people, key)
            members.setdefault(root, []).append(self.memberships[key])
        return members

    def with_person(self, person: Person) -> CustomerFile:
        """The file with a record as it now is."""
        return replace(self, people={**self.people, person.customer_id: person})

    def with_membership(self, member: Membership) -> CustomerFile:
        """The file with a person's membership as it now is."""
        return replace(self, memberships={**self.memberships, **apart(member)})

    def with_referral(self, referral: Referral) -> CustomerFile:
        """The file with a referral as it now is."""
        return replace(self, referrals={**self.referrals, referral.referral_id: referral})

    def with_sends(self, *sends: Send) -> CustomerFile:
        """The file with messages as they now are."""
        return replace(self, sends={**self.sends, **{send.message_id: send for send in sends}})


def root_of(people: Mapping[str, Person], customer_id: str) -> str:
    """The surviving id of the person to whom `customer_id` belongs.

    Merges that go round in a circle leave the survivor of the latest of them.
    """
    passed: dict[str, Merge] = {}
    current = customer_id
    while (person := people.get(current)) is not None and (merge := person.merge) is not None:
        if current in passed:
            circle = list(passed)[list(passed).index(current) :]
            return max(passed[key] for key in circle).into
        passed[current] = merge
        current = merge.into
    return current
