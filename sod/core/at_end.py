"""What a command undoes when it ends, however it ends."""

from contextlib import ExitStack

AT_END = ExitStack()
"""Closed by the entry point after each command; what is entered into it holds until then."""
