"""How a process of ours collects garbage."""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 50_000
"""How many objects may be made, over those that died, until the collector looks at them."""


def tune_collector() -> None:
    """Leave what the imports made alone, and look at young objects less often.

    A batch makes hundreds of thousands of objects that all die with it; at the default threshold
    the collector walks them over and over (10 to 45 % more events a second were measured).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
