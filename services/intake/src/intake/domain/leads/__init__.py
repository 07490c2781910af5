"""From the first touch to the contract: whose lead it is, and what becomes of it."""
