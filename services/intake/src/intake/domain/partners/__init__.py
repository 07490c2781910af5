"""What partner systems may say, and what it does."""
