"""What intake remembers: tables, and how decisions load and save them."""

from intake.store.store import IntakeStore
from intake.store.tables import metadata

__all__ = ["IntakeStore", "metadata"]
