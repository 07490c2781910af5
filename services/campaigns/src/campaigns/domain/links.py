"""The links of a message: to the person's preferences, to take consent back, and to confirm it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from campaigns.domain.campaign import Campaign
from campaigns.domain.people import Contact
from keyturn_events.vocabulary import Channel


@dataclass(frozen=True, slots=True)
class Links:
    """Where links lead: `base` answers what intake documents for links, under the same paths."""

    base: str
    """An https address without a slash at its end."""

    def unsubscribe(self, contact: Contact, campaign: Campaign, channel: Channel) -> str | None:
        """The address of one click that ends messages of this kind (RFC 8058).

        None for what belongs to something that the person did: it is asked for, not subscribed to.
        """
        if contact.preference_token is None or campaign.transactional:
            return None
        kind = f"{channel}.{campaign.purpose}"
        return f"{self.base}/unsubscribe/{contact.preference_token}.{kind}"

    def shown(
        self, contact: Contact, campaign: Campaign, channel: Channel, occurrence: str
    ) -> Mapping[str, str]:
        """What a template may show as `links`: `preferences`, `unsubscribe` and `confirm`."""
        links = {}
        if contact.preference_token is not None:
            links["preferences"] = f"{self.base}/preferences/{contact.preference_token}"
        unsubscribe = self.unsubscribe(contact, campaign, channel)
        if unsubscribe is not None:
            links["unsubscribe"] = unsubscribe
        opt_in = contact.opt_in(occurrence) if campaign.confirms else None
        if opt_in is not None:
            links["confirm"] = f"{self.base}/confirmations/{opt_in.token}"
        return links
