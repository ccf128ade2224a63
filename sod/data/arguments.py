"""Checks of the arguments of the data layer, and their types."""

from typing import Literal, get_args

from sod.core.errors import SodError

BatchSizePer = Literal["process", "step"]
"""What the batch size counts: the batch of each process, or the images of one optimiser step."""


def check_counts(**counts: int | None) -> None:
    """Check counts by the name of their field; None stands for a default.

    Raises:
        SodError: One is not at least 1.
    """
    for field, value in counts.items():
        if value is not None and value < 1:
            raise SodError(f"data.{field}: {value} is not at least 1")


def check_choices(num_workers: int | None, batch_size_per: str) -> None:
    """Check the number of workers and what the batch size counts.

    Raises:
        SodError: The number is negative, or the word is unknown.
    """
    if num_workers is not None and num_workers < 0:
        raise SodError(f"data.num_workers: {num_workers} is negative; 0 reads in this process")
    if batch_size_per not in get_args(BatchSizePer):
        raise SodError(f"data.batch_size_per: '{batch_size_per}' is neither process nor step")


def check_validation(val: str | None, val_masks: bool) -> None:
    """Check that masks are only read of a split that is named.

    Raises:
        SodError: There is none.
    """
    if val_masks and val is None:
        raise SodError("data.val_masks: needs a split with masks: name it in data.val")
