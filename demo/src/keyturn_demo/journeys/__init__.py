"""The phases of the journey, each through the public doors alone."""
