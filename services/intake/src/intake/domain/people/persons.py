"""A person: one customer, or several that were merged, read as one.

Reconciliation rules, apart from the match rules: the survivor's answer counts, then that of whoever
was registered first among those who gave one; contact points are all of them, the survivor's first;
of consents the most restrictive holds, until the person says something after the merge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from intake.domain.consent.consents import Consent, most_restrictive
from intake.domain.people.customers import Address, Customer, Facts, filled
from intake.domain.people.merges import persons_records


@dataclass(frozen=True, slots=True)
class Person:
    """One person and the customers that are this person."""

    records: tuple[Customer, ...]
    """The survivor first, then by seniority."""

    @property
    def survivor(self) -> Customer:
        """The customer whose id stands for the person."""
        return self.records[0]

    @property
    def customer_ids(self) -> tuple[str, ...]:
        """All ids of the person, the survivor's first."""
        return tuple(record.customer_id for record in self.records)

    @property
    def name(self) -> str | None:
        """The name that counts."""
        return next((record.name for record in self.records if record.name is not None), None)

    @property
    def phones(self) -> tuple[str, ...]:
        """All phones in E.164, the preferred one first."""
        return _once(phone for record in self.records for phone in record.phones)

    @property
    def emails(self) -> tuple[str, ...]:
        """All e-mail addresses, the preferred one first."""
        return _once(email for record in self.records for email in record.emails)

    @property
    def wechat(self) -> str | None:
        """The WeChat OpenID that counts."""
        return next((record.wechat for record in self.records if record.wechat is not None), None)

    @property
    def birth_date(self) -> date | None:
        """The birth date that counts."""
        return next((each.birth_date for each in self.records if each.birth_date), None)

    @property
    def address(self) -> Address | None:
        """The address that counts."""
        return next((each.address for each in self.records if each.address), None)

    @property
    def facts(self) -> Facts:
        """What is known beside name and contact points."""
        facts = self.survivor.facts
        for record in self.records[1:]:
            facts = filled(facts, record.facts)
        return facts

    @property
    def consents(self) -> tuple[Consent, ...]:
        """What the person allows: one word a channel and purpose."""
        return self._allowed_by(self.survivor)

    def _allowed_by(self, record: Customer) -> tuple[Consent, ...]:
        """What a record and those merged into it allow, merge by merge as they were made."""
        held = record.consents
        links = [
            (link.at, other.customer_id, other)
            for other in self.records
            if (link := other.merged_into) is not None and link.customer_id == record.customer_id
        ]
        for merged_at, _, other in sorted(links, key=lambda link: link[:2]):
            held = most_restrictive(held, self._allowed_by(other), merged_at=merged_at)
        return held


def person_of(customers: Mapping[str, Customer], customer_id: str) -> Person | None:
    """The person whom this id means, or None when there is no such customer."""
    records = persons_records(customers, customer_id)
    return Person(tuple(records)) if records else None


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
