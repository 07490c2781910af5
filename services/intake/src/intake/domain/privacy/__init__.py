"""Forgetting a person, and keeping them forgotten."""
