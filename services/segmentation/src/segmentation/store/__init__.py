"""What segmentation remembers: tables, and how decisions load and save them."""

from segmentation.store.store import SegmentationStore

__all__ = ["SegmentationStore"]
