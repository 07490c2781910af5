"""Which customers an input names: whose files have to be loaded for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from keyturn_chassis.inputs import TimerFired
from keyturn_events import CustomerEvent
from keyturn_events.intake import CustomersMerged, CustomersUnmerged
from segmentation.domain.models import SegmentModel, SilenceModel
from segmentation.domain.movement import Reassess

Subject: TypeAlias = CustomerEvent | TimerFired | Reassess | SegmentModel | SilenceModel
"""What this service decides on."""


def customers_of(value: Subject) -> tuple[str, ...]:
    """The ids of the customers whom an input is about; none for a model."""
    name = _NAMED.get(type(value))
    return (value.customer_id,) if name is None else name(value)  # type: ignore[union-attr] # the rest is in the table


# By type: it is asked twice of every event, and `isinstance` walks through all kinds each time.
_NAMED: Final[Mapping[type, Callable[[Any], tuple[str, ...]]]] = {
    SegmentModel: lambda _: (),
    SilenceModel: lambda _: (),
    TimerFired: lambda timer: (timer.owner,),
    CustomersMerged: lambda merged: (merged.customer_id, merged.merged_customer_id),
    CustomersUnmerged: lambda unmerged: (unmerged.customer_id, unmerged.restored_customer_id),
}
