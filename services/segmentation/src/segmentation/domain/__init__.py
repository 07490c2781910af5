"""What is known of customers and what follows from it: pure functions, no I/O, no clock."""
