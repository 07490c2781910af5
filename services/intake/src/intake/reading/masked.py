"""Contact points as they are shown to whoever has a link: enough to know one's own, no more."""

from __future__ import annotations

from typing import Final

from intake.domain.consent.opt_ins import ContactPoint
from keyturn_events.vocabulary import Channel

HIDDEN: Final = "•••"
SHOWN_DIGITS: Final = 2
"""Last digits of a phone that are shown."""
SHORTEST_SHOWN: Final = 4
"""Characters of the first half of an e-mail address from which on its first one is shown."""


def masked(point: ContactPoint) -> str:
    """The contact point with most of it hidden; a WeChat OpenID is hidden altogether."""
    match point.through:
        case Channel.EMAIL:
            local, _, domain = point.to.partition("@")
            first = local[0] if len(local) >= SHORTEST_SHOWN else ""
            ending = domain.rpartition(".")[2] if "." in domain else ""
            return f"{first}{HIDDEN}@{HIDDEN}.{ending}" if ending else f"{first}{HIDDEN}@{HIDDEN}"
        case Channel.SMS | Channel.PHONE:
            return f"{HIDDEN}{point.to[-SHOWN_DIGITS:]}"
        case _:
            return HIDDEN
