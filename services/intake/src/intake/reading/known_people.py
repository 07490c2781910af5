"""Customers, and whoever comes, as records that can be compared."""

from __future__ import annotations

from collections.abc import Iterable

from intake.domain.people.customers import Address, Customer
from intake.domain.people.identity import Identity
from intake.domain.people.matching import Field
from intake.reading.person_records import NAME, PersonRecord, person_record


def record_of_identity(identity: Identity) -> PersonRecord:
    """What somebody says of themselves."""
    said = _said(identity.name, identity.birth_date, identity.address)
    said[Field.PHONE] = identity.phone or ""
    said[Field.EMAIL] = identity.email or ""
    return person_record(said)


def record_of_customer(customer: Customer, beside: Identity | None = None) -> PersonRecord:
    """What is known of a customer; of several phones and addresses the one that they share."""
    said = _said(customer.name, customer.birth_date, customer.address)
    said[Field.PHONE] = _shared(customer.phones, None if beside is None else beside.phone)
    said[Field.EMAIL] = _shared(customer.emails, None if beside is None else beside.email)
    return person_record(said)


def _said(name: str | None, birth_date: object, address: Address | None) -> dict[str, str]:
    said = {NAME: name or "", Field.BIRTH_DATE: "" if birth_date is None else str(birth_date)}
    if address is not None:
        said[Field.STREET] = address.street or ""
        said[Field.CITY] = address.city or ""
        said[Field.REGION] = address.region or ""
        said[Field.POSTCODE] = address.postcode or ""
    return said


def _shared(known: Iterable[str], said: str | None) -> str:
    values = list(known)
    if said in values:
        return said or ""
    return values[0] if values else ""
