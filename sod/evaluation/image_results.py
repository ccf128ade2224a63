"""Results of every image of one method on one data set: what statistics over images need."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import torch

from sod.core.errors import SodError
from sod.core.files import atomic_file
from sod.metrics.functional import Measured, needed_curves
from sod.metrics.protocols import Protocol, get_protocol


def image_file(label: str, dataset: str) -> str:
    """Return the name of the file with the results of every image."""
    return f"images-{label}-{dataset}.npz"


class ImageResults(NamedTuple):
    """Results of N images, in the order of their names.

    Attributes:
        protocol: The metric protocol.
        measures: Names of the M measures.
        names: Names of the images.
        measured: Values ``[N, M]``, the curves ``[N, C, T]`` of ``needed_curves`` and counts
            ``[N, 2, 4]``, float32.
    """

    protocol: Protocol
    measures: tuple[str, ...]
    names: tuple[str, ...]
    measured: Measured

    @property
    def families(self) -> tuple[str, ...]:
        """Families of the curves."""
        return needed_curves(self.measures, self.protocol)

    def chosen(self, names: Sequence[str]) -> "ImageResults":
        """Return the results of some of the images, in the given order."""
        if tuple(names) == self.names:
            return self
        places = {name: place for place, name in enumerate(self.names)}
        index = torch.tensor([places[name] for name in names])
        parts = (part[index] for part in self.measured)
        return self._replace(names=tuple(names), measured=Measured(*parts))


def collected(
    protocol: Protocol, measures: tuple[str, ...], rows: Sequence[tuple[str, Measured]]
) -> ImageResults:
    """Return the results of images in order of their names.

    Args:
        protocol: The metric protocol.
        measures: Names of the measures.
        rows: Name and results of each image, with the curves of ``needed_curves``.
    """
    rows = sorted(rows, key=lambda row: row[0])
    parts = [torch.stack(part).float() for part in zip(*(row[1] for row in rows), strict=True)]
    return ImageResults(protocol, measures, tuple(row[0] for row in rows), Measured(*parts))


def save_results(results: ImageResults, path: Path) -> None:
    """Write the results to an ``.npz`` file.

    Raises:
        SodError: The file cannot be written.
    """
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        _save(results, file)


def _save(results: ImageResults, file: IO[bytes]) -> None:
    values, curves, counts = (part.numpy() for part in results.measured)
    np.savez_compressed(
        file,
        protocol=np.array(results.protocol.name),
        measures=np.array(results.measures, dtype=np.str_),
        names=np.array(results.names, dtype=np.str_),
        values=values,
        curves=curves,
        counts=counts,
    )


def load_results(path: Path) -> ImageResults:
    """Read the results of :func:`save_results`.

    Raises:
        SodError: The file is absent or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            parts = [torch.from_numpy(data[key]) for key in ("values", "curves", "counts")]
            measures = tuple(str(name) for name in data["measures"])
            names = tuple(str(name) for name in data["names"])
            return ImageResults(
                get_protocol(str(data["protocol"])), measures, names, Measured(*parts)
            )
    except (OSError, ValueError, KeyError) as error:
        raise SodError(f"{path}: cannot be read ({error}); remove it and measure again.") from error
