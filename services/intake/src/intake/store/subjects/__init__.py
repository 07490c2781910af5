"""What the store does for each subject of intake; a new subject is one more line here."""

from typing import Final

from intake.store.needs import Subjects
from intake.store.subjects.advisors import Advisors
from intake.store.subjects.captures import Captures
from intake.store.subjects.consents import Consents
from intake.store.subjects.erasures import Erasures
from intake.store.subjects.exchanges import Exchanges
from intake.store.subjects.homes import Homes
from intake.store.subjects.imports import Imports
from intake.store.subjects.leads import Leads
from intake.store.subjects.merges import Merges
from intake.store.subjects.names import Renamings
from intake.store.subjects.partner_door import PartnerDoor
from intake.store.subjects.purchases import Purchases
from intake.store.subjects.registry import Registry
from intake.store.subjects.releases import Releases
from intake.store.subjects.reviews import Reviews
from intake.store.subjects.scoring import Scoring
from intake.store.subjects.suppressions import Suppressions

SUBJECTS: Final = Subjects(
    (
        Captures(),
        Leads(),
        Purchases(),
        Exchanges(),
        # Before the homes, which load releases too: whoever serves a queue loads it anew.
        Releases(),
        Homes(),
        Consents(),
        Imports(),
        Reviews(),
        Merges(),
        Renamings(),
        PartnerDoor(),
        Registry(),
        Advisors(),
        Scoring(),
        Suppressions(),
        Erasures(),
    )
)
"""All of them."""
