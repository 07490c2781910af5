"""The composition root of segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from keyturn_chassis.erasure import Erasing
from keyturn_chassis.service import Service
from keyturn_events.intake import CustomersMerged, CustomersUnmerged
from keyturn_events.segmentation import (
    CustomerDormant,
    CustomerReactivated,
    CustomerSegmented,
    ProfileErased,
)
from segmentation.api import SCOPES, router
from segmentation.reactions import reactions
from segmentation.store import tables
from segmentation.store.holdings import HOLDINGS
from segmentation.store.store import store
from segmentation.tasks.rollout import Rollout

service: Final = Service(
    name="segmentation",
    title="Keyturn segmentation",
    description=(
        "Who the customers are, and who they are becoming: a profile and a timeline of each, built"
        " from events alone, and the segments they belong to, with the reason for every move."
    ),
    store=store,
    router=router,
    reactions=reactions,
    publishes=(CustomerSegmented, CustomerDormant, CustomerReactivated, ProfileErased),
    migrations=Path(__file__).parent / "migrations",
    tasks=(Rollout(),),
    derived=(tables.customers, tables.timeline, tables.memberships),
    erasing=Erasing(receipt=ProfileErased, keeps=(CustomersMerged, CustomersUnmerged)),
    holdings=HOLDINGS,
    scopes=SCOPES,
)
