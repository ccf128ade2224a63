"""Photos, masks and maps of the images of a table, read when they are shown."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sod.data.maps import read_map
from sod.data.reading import read_image_tensor, read_mask
from sod.data.samples import Sample
from sod.metrics.prepare import resize_saliency
from sod.metrics.protocols import PROTOCOLS


class Pictures:
    """The files behind a table.

    Args:
        samples: Images and masks by data set.
    """

    def __init__(self, samples: Mapping[str, Sequence[Sample]]) -> None:
        self._samples = {
            dataset: {sample.name: sample for sample in group} for dataset, group in samples.items()
        }
        self._maps: dict[str, dict[str, Mapping[str, Path]]] = {name: {} for name in samples}

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets."""
        return list(self._samples)

    def add(self, dataset: str, label: str, files: Mapping[str, Path]) -> None:
        """Add the map files of one method, by image name."""
        self._maps.setdefault(dataset, {})[label] = files

    def labels(self, dataset: str) -> list[str]:
        """Return the labels of the methods whose maps are known."""
        return list(self._maps.get(dataset, {}))

    def samples(self, dataset: str) -> list[Sample]:
        """Return the samples of a data set."""
        return list(self._samples.get(dataset, {}).values())

    def photo(self, dataset: str, name: str) -> Tensor:
        """Return the photo, float ``[3, H, W]`` in [0, 1].

        Raises:
            ImageError: It cannot be read.
        """
        return read_image_tensor(self._samples[dataset][name].image)

    def mask(self, dataset: str, name: str) -> Tensor:
        """Return the mask, uint8 ``[H, W]``.

        Raises:
            ImageError: It cannot be read.
        """
        mask = self._samples[dataset][name].mask
        if mask is None:
            height, width = self.photo(dataset, name).shape[-2:]
            return torch.zeros(height, width, dtype=torch.uint8)
        return torch.from_numpy(read_mask(mask))

    def map(self, dataset: str, label: str, name: str) -> Tensor | None:
        """Return a map at its mask's size, float ``[H, W]`` in [0, 1]; None if there is none.

        Raises:
            ImageError: It cannot be read.
        """
        file = self._maps.get(dataset, {}).get(label, {}).get(name)
        if file is None:
            return None
        height, width = self.mask(dataset, name).shape
        return resize_saliency(read_map(file), (height, width), PROTOCOLS["pysod"])
