"""The public doors as a front end, a partner or a file sees them."""
