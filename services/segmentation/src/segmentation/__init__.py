"""Segmentation: the profile and timeline of every customer, and the segments they belong to."""
