"""Files written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from sod.core.errors import SodError


@contextmanager
def draft_of(target: Path) -> Iterator[Path]:
    """Lend a path beside the target; what is there in the end takes the target's place.

    Drafts that a killed process left behind are removed.

    Args:
        target: The file to write. Where the block raises, it is as it was before.

    Raises:
        SodError: It cannot be written.
    """
    draft = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        for stale in target.parent.glob(f"{escape(target.name)}.*.tmp"):
            stale.unlink()
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as error:
        raise SodError(f"{target}: cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)
