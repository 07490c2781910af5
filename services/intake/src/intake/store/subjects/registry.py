"""What is registered before anybody comes: partners, and the rules of communities."""

from __future__ import annotations

from typing import Any

from intake.domain.communities import Community
from intake.domain.partners import Partner
from intake.domain.registry import RegisterCommunity, RegisterPartner
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.inputs import Input


class Registry(Subject):
    """Registrations."""

    inputs = (RegisterPartner, RegisterCommunity)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """What is registered under that id."""
        needs.document(*_place(input.value))

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> Partner | Community | None:
        """What is registered under that id."""
        return rows.document(*_place(input.value))


def _place(
    command: RegisterPartner | RegisterCommunity,
) -> tuple[type[Partner | Community], str]:
    if isinstance(command, RegisterPartner):
        return Partner, command.partner.partner_id
    return Community, str(command.community.community_id)
