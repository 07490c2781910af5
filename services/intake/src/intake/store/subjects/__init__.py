"""What the store does for each subject of intake; a new subject is one more line here."""

from typing import Final

from intake.store.needs import Subjects
from intake.store.subjects.captures import Captures
from intake.store.subjects.consents import Consents
from intake.store.subjects.leads import Leads
from intake.store.subjects.partner_door import PartnerDoor
from intake.store.subjects.purchases import Purchases
from intake.store.subjects.registry import Registry

SUBJECTS: Final = Subjects(
    (
        Captures(),
        Leads(),
        Purchases(),
        Consents(),
        PartnerDoor(),
        Registry(),
    )
)
"""All of them."""
