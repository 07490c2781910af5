"""What the desk remembers: tables, and how decisions load and save them."""

from service_desk.store.store import DeskStore

__all__ = ["DeskStore"]
