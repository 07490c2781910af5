"""What is registered before anybody comes: partners, and the rules of communities."""

from __future__ import annotations

from typing import Any

from intake.domain.communities import Community
from intake.domain.community_commands import RegisterCommunity
from intake.domain.partners.partner_commands import PartnerCommand
from intake.domain.partners.partners import Partner
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.inputs import Input


class Registry(Subject):
    """Registrations."""

    inputs = (PartnerCommand, RegisterCommunity)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """What is registered under that id."""
        needs.document(*_place(input.value))

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Partner | Community | None:
        """What is registered under that id."""
        return rows.document(*_place(input.value))

    def version(self, rows: IntakeWorkingSet, input: Input[Any]) -> int:
        """The version of what is registered."""
        return rows.document_version(*_place(input.value))


def _place(
    command: PartnerCommand | RegisterCommunity,
) -> tuple[type[Partner | Community], str]:
    if isinstance(command, PartnerCommand):
        return Partner, command.partner_id
    return Community, str(command.community.community_id)
