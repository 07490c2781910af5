"""Homes, the queue for them, and the purchases that come of it."""
