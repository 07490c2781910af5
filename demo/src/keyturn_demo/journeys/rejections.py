"""What the partner door sent back, each with its reason."""

from __future__ import annotations

from keyturn_demo.doors.partners import LEDGER
from keyturn_demo.journeys.leads import PARTNER
from keyturn_demo.journeys.purchases import LEDGER_DOOR
from keyturn_demo.tally import Noun
from keyturn_demo.world import World
from keyturn_events.intake import PartnerEventRejected


def tally_partner_rejections(world: World) -> None:
    """Count the rejections that have been seen: sales with the ledger, all others with leads."""
    for rejected in world.log.of(PartnerEventRejected):
        if rejected.data["partner_id"] == LEDGER:
            world.tally.rejected(Noun.PURCHASE, LEDGER_DOOR, rejected.data["code"])
        else:
            world.tally.rejected(Noun.LEAD, PARTNER, rejected.data["code"])
