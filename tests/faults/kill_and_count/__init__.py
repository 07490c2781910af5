"""Kill-and-count: faults strike while a bounded load runs, and then everything is counted."""
