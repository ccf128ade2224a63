"""Work that may need more memory than there is."""

from collections.abc import Callable
from typing import Final, TypeVar

import torch

T = TypeVar("T")


class NoMemory:
    """What :func:`attempt` returns where the memory did not suffice."""


NO_MEMORY: Final = NoMemory()
_MESSAGES = (
    "not enough memory",
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory, of the host or of a device, did not suffice."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _MESSAGES)


def attempt(work: Callable[[], T]) -> T | NoMemory:
    """Return the result of some work, or ``NO_MEMORY`` after freeing what it had taken.

    Raises:
        Exception: Any other error of the work.
    """
    try:
        return work()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    # Here the error is gone, and with it the frames that held the tensors.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return NO_MEMORY
