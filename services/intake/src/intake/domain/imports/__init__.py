"""Files of leads, worked through and taken back."""
