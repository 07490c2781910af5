"""The rules of intake: pure functions from state and input to new state and events."""
