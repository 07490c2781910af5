"""Finds which records of a file are one person, and learns without labels what a field says."""
