"""A lead's chance of becoming a purchase, with its reasons."""
