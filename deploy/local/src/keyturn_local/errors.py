"""What can go wrong with the stack, said so that the reader knows what to do."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot do what was asked. The message says what failed and what to mend."""
