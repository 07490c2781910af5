"""How a message leaves: one port, and an adapter for each way out."""
