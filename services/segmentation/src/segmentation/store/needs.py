"""Which customers an input names: whose files have to be loaded for it."""

from __future__ import annotations

from typing import TypeAlias

from keyturn_chassis.inputs import TimerFired
from keyturn_events import CustomerEvent
from keyturn_events.intake import CustomersMerged, CustomersUnmerged
from segmentation.domain.models import SegmentModel, SilenceModel
from segmentation.domain.movement import Reassess

Subject: TypeAlias = CustomerEvent | TimerFired | Reassess | SegmentModel | SilenceModel
"""What this service decides on."""


def customers_of(value: Subject) -> tuple[str, ...]:
    """The ids of the customers whom an input is about; none for a model."""
    if isinstance(value, (SegmentModel, SilenceModel)):
        return ()
    if isinstance(value, TimerFired):
        return (value.owner,)
    if isinstance(value, CustomersMerged):
        return value.customer_id, value.merged_customer_id
    if isinstance(value, CustomersUnmerged):
        return value.customer_id, value.restored_customer_id
    return (value.customer_id,)
