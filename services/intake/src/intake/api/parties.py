"""How an advisor or an agency is named in a body."""

from __future__ import annotations

from pydantic import BaseModel

from intake.domain.leads.ownership import Party, PartyKind
from keyturn_events import Refusal, RefusalKind
from keyturn_events.scalars import AdvisorId, PartnerId


class PartyForm(BaseModel):
    """An advisor or an agency; exactly one of them is named."""

    advisor_id: AdvisorId | None = None
    agency_id: PartnerId | None = None

    def party(self) -> Party:
        """Who is named. Raises `Refusal` `name-one-party`."""
        if (self.advisor_id is None) == (self.agency_id is None):
            raise Refusal(
                "name-one-party",
                "Give advisor_id or agency_id, one of them.",
                kind=RefusalKind.INVALID,
                pointer="/advisor_id" if self.agency_id is None else "/agency_id",
            )
        if self.advisor_id is not None:
            return Party(PartyKind.ADVISOR, self.advisor_id)
        return Party(PartyKind.AGENCY, str(self.agency_id))
