"""What the user is told when a method cannot be built from its arguments."""

from sod.core.errors import SodError
from sod.core.memory import is_out_of_memory


def build_error(error: Exception, where: str) -> SodError:
    """Return the error of one line for one that a constructor or its parser raised.

    Args:
        error: The error; a parser keeps that of a constructor as its cause.
        where: What states the arguments, for the message.
    """
    for each in (error, error.__cause__):
        if isinstance(each, SodError):
            return each
        if each is not None and is_out_of_memory(each):
            return SodError(f"{where}: not enough memory for a model of these sizes")
    return SodError(f"{where}: {' '.join(str(error).split())}")
