"""The cuts of all images in a folder, so that an interrupted tuning continues."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sod.core.errors import ImageError, SodError
from sod.core.files import write_text
from sod.core.reading import read_text
from sod.data.reading import read_image_tensor
from sod.data.samples import Sample
from sod.nn.backbones.base import Backbone
from sod.tuning.cuts import ImageCuts, cut_image, read_cuts, write_cuts


class CutStore:
    """The cuts of images by one backbone, one file per image.

    Args:
        folder: The folder; it is created.
        settings: What the cuts depend on, as JSON values: model, weights, thresholds, tokens.

    Raises:
        SodError: The folder holds cuts of other settings.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        path, text = folder / "settings.json", json.dumps(settings, indent=2, sort_keys=True) + "\n"
        if path.is_file() and read_text(path, "give another --out") != text:
            raise SodError(
                f"--out {folder.parent}: holds the cuts of another backbone or other options; "
                "give another folder, or remove it"
            )
        write_text(path, text)

    def path(self, sample: Sample) -> Path:
        """Return the file of a sample's cuts; another image of the same name has another file."""
        identity = f"{sample.image.resolve()} {sample.image.stat().st_size}"
        return self.folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}.npz"

    def fill(
        self,
        samples: Sequence[Sample],
        backbone: Backbone,
        taus: Sequence[float],
        max_tokens: int,
    ) -> Iterator[tuple[Sample, ImageCuts | str]]:
        """Yield each sample with its cuts, made where they are missing, or with an error.

        Args:
            samples: The images.
            backbone: The backbone with every tap.
            taus: Thresholds on the cosine similarity.
            max_tokens: Larger images are resized to at most this number of tokens.

        Yields:
            The sample, and its cuts or one line that names the unreadable file.
        """
        for sample in samples:
            try:
                yield sample, self._cuts(sample, backbone, taus, max_tokens)
            except ImageError as error:
                yield sample, str(error)

    def _cuts(
        self, sample: Sample, backbone: Backbone, taus: Sequence[float], max_tokens: int
    ) -> ImageCuts:
        path = self.path(sample)
        cuts = read_cuts(path)
        if cuts is None:
            cuts = cut_image(backbone, read_image_tensor(sample.image), taus, max_tokens)
            write_cuts(cuts, path)
        return cuts
