"""Somebody comes: who owns their identifiers, and which leads those people have."""

from __future__ import annotations

from typing import Any

from intake.domain.capture import CaptureLead
from intake.domain.dossier import Dossier
from intake.store.needs import Needs, Visitor
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.inputs import Input
from keyturn_events import Refusal


class Captures(Subject):
    """Captures of leads."""

    inputs = (CaptureLead,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The visitor is to be identified."""
        command: CaptureLead = input.value
        needs.visitors[id(input)] = Visitor(command.person, command.community_id)

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Dossier:
        """Who it may be, with their live leads in the community."""
        command: CaptureLead = input.value
        return visit(rows, input, command.community_id)


def visit(rows: IntakeWorkingSet, input: Input[Any], community_id: str | None) -> Dossier:
    """What a decision on somebody who comes to a community looks at.

    Raises `Refusal` when they cannot be identified.
    """
    identity = rows.identities[id(input)]
    if isinstance(identity, Refusal):
        raise identity
    owners = {}
    leads = {}
    for identifier in identity.identifiers:
        owner_id = rows.owners.get(identifier)
        owner = None if owner_id is None else rows.customers.get(owner_id)
        if owner is not None:
            owners[identifier] = owner
            lead = rows.live_lead(owner.customer_id, community_id)
            if lead is not None:
                leads[owner.customer_id] = lead
    return Dossier(
        community=rows.community(community_id), identity=identity, owners=owners, leads=leads
    )
