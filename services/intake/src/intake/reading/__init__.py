"""What comes in at the doors, read without believing it: forms, files, records, addresses."""
