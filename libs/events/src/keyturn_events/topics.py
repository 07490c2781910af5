"""The topics, declared once: code, local stack and Kubernetes manifests all read this module."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Topic(StrEnum):
    """A Kafka topic. Its owner is the only service that may write to it."""

    INTAKE_CUSTOMERS = "intake.customers"
    INTAKE_CONTACTS = "intake.contacts"
    INTAKE_LEADS = "intake.leads"
    INTAKE_PURCHASES = "intake.purchases"
    SEGMENTATION_CUSTOMERS = "segmentation.customers"
    SEGMENTATION_ERASURES = "segmentation.erasures"
    SERVICE_DESK_HANDOVERS = "service-desk.handovers"
    SERVICE_DESK_COMPLAINTS = "service-desk.complaints"
    SERVICE_DESK_SURVEYS = "service-desk.surveys"
    SERVICE_DESK_ERASURES = "service-desk.erasures"
    CAMPAIGNS_MESSAGES = "campaigns.messages"
    CAMPAIGNS_REFERRALS = "campaigns.referrals"
    CAMPAIGNS_LOYALTY = "campaigns.loyalty"
    CAMPAIGNS_ERASURES = "campaigns.erasures"
    PARTNERS_INBOUND = "partners.inbound"
    PARTNERS_REJECTED = "partners.rejected"

    @property
    def owner(self) -> str:
        """The service that alone may write; `partners` for the inbound partner door."""
        if self is Topic.PARTNERS_REJECTED:
            return "intake"
        return self.value.partition(".")[0]

    @property
    def compacted(self) -> bool:
        """Whether Kafka keeps only the latest record of each key, so that a tombstone erases."""
        return self is Topic.INTAKE_CONTACTS

    @property
    def restricted(self) -> bool:
        """Whether the topic carries personal contact data, readable by named services only."""
        return self in (Topic.INTAKE_CONTACTS, Topic.PARTNERS_INBOUND, Topic.PARTNERS_REJECTED)

    @property
    def partitions(self) -> int:
        """Number of partitions. It bounds how many workers of one service share the work."""
        return 6


ALL_TOPICS: Final = tuple(Topic)
"""Every topic, in the order in which they are declared."""
