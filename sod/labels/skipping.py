"""Images that cannot be read and have no pseudo-mask for that reason."""

from collections.abc import Callable, Sequence

from sod.core.errors import ImageError
from sod.data.reading import read_image
from sod.data.samples import Sample
from sod.engine.skipped import skipped_line
from sod.labels.store import LabelStore


def without_unreadable(
    folder: str, samples: Sequence[Sample], report: Callable[[str], None]
) -> list[Sample]:
    """Leave out the samples that have no pseudo-mask in a store because they cannot be read.

    Args:
        folder: The store.
        samples: The samples.
        report: Prints one line for the user.
    """
    failures = {}
    for sample in LabelStore(folder).missing(samples):
        try:
            read_image(sample.image)
        except ImageError as error:
            failures[sample.image] = str(error)
    report_failures(list(failures.values()), report)
    return [sample for sample in samples if sample.image not in failures]


def report_failures(failures: Sequence[str], report: Callable[[str], None]) -> None:
    """Name the images that were skipped, and say how many they are.

    Args:
        failures: One line for each of them.
        report: Prints one line for the user.
    """
    for failure in failures:
        report(f"skipped {failure}")
    if failures:
        report(skipped_line(len(failures)))
