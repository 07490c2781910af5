"""Fits a scoring model to any table, and says how far it can be trusted."""
