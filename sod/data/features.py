"""How a training gets the features of frozen backbones."""

from dataclasses import dataclass
from typing import Literal

from sod.core.errors import SodError


@dataclass(frozen=True)
class FeaturesConfig:
    """How the features of frozen backbones are computed in a training.

    Args:
        cache: ``none``: in every step; ``memory`` or ``disk``: once for each image that differs.
        folder: Folder of the disk cache, which several runs and processes may share.
        limit: Gibibytes of features that are kept, of each process, and as many of views in memory;
            what comes later is computed, or read, in every step.
        half: Keep them in half precision, in half of the space, with a rounding error of 0.0005 of
            each value.
        views: Augmented views of each training image, drawn once by the seed and used in turn;
            null: new ones in every epoch, which a cache cannot know. A method without a frozen
            backbone draws new ones all the same. In memory without a GPU, data.num_workers is 0 by
            default, as the views are kept by the process that trains.
    """

    cache: Literal["none", "memory", "disk"] = "none"
    folder: str = "features"
    limit: float = 4.0
    half: bool = False
    views: int | None = None

    def __post_init__(self) -> None:
        """Raise an error that names an invalid field."""
        if self.cache not in ("none", "memory", "disk"):
            raise SodError(f"data.features.cache: '{self.cache}' is none of none, memory, disk")
        if not self.limit > 0:
            raise SodError(f"data.features.limit: {self.limit} is not above 0 GiB")
        if self.views is not None and self.views < 1:
            raise SodError(f"data.features.views: {self.views} is not at least 1")
