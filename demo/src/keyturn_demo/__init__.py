"""The demo: a neighbourhood's journeys through the public doors, and the audit of their effects."""
