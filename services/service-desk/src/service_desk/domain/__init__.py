"""What the desk decides: pure functions of what is known and what happened."""
