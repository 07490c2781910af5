"""The desk's store: loads what a batch of inputs looks at, and saves what became of it."""

from service_desk.store.desk_store import DeskStore, among, families, versions
from service_desk.store.working_set import CASE_DEADLINE, DeskWorkingSet

__all__ = ["CASE_DEADLINE", "DeskStore", "DeskWorkingSet", "among", "families", "versions"]
