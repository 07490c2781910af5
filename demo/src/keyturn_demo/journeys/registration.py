"""Before anybody comes: the partner systems and the communities are made known."""

from __future__ import annotations

from typing import Final

from keyturn_demo.doors.partners import CONSTRUCTION, LEDGER, PORTAL
from keyturn_demo.neighbourhood import COMMUNITIES
from keyturn_demo.world import World
from keyturn_events.partners import (
    PartnerConstructionProgressed,
    PartnerEvent,
    PartnerLeadSubmitted,
    PartnerSaleRecorded,
)

PARTNERS: Final[dict[str, tuple[str, type[PartnerEvent]]]] = {
    PORTAL: ("Home portal 房产门户", PartnerLeadSubmitted),
    LEDGER: ("Sales ledger 销售台账", PartnerSaleRecorded),
    CONSTRUCTION: ("Construction management 工程管理", PartnerConstructionProgressed),
}
NAMES: Final = {
    "lakeside": "Lakeside 湖畔家园",
    "orchard": "Orchard Court 果园里",
    "south-gate": "South Gate 南门里",
}


async def register_partners(world: World) -> None:
    """Let the partner systems send what they send."""
    for partner, (name, event_class) in PARTNERS.items():
        form = {"name": name, "allowed_types": [event_class.type]}
        (await world.doors.intake.put(f"/partners/{partner}", form)).accepted()


async def register_communities(world: World) -> None:
    """Set the rules of the generated neighbourhood's communities."""
    for community in COMMUNITIES:
        rules = {"name": NAMES[community], "time_zone": "Asia/Shanghai", "region": "CN"}
        (await world.doors.intake.put(f"/communities/{community}", rules)).accepted()
