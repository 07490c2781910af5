"""What campaigns remembers: tables, and how decisions load and save them."""

from campaigns.store.store import CampaignsStore

__all__ = ["CampaignsStore"]
