"""The pseudo-label store: soft masks in a folder, with a manifest.

A store is a folder of 8-bit PNG files (255 times the saliency, in the size of their images) and a
manifest, ``manifest.jsonl``, with one :class:`Label` per line. ``source-ID.json`` describes what
made them. Several processes may write at once, each with a manifest of its own until they are
joined. A map that is on disk with the checksum in its line is never made again.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import atomic_file, file_checksum, write_text
from sod.core.formats import check_format, stamp
from sod.core.reading import read_json, read_text
from sod.data.levels import to_levels
from sod.data.maps import check_map
from sod.data.pictures import RUNS
from sod.data.samples import Sample
from sod.labels.score import contrast_and_area
from sod.labels.verified import VerifiedFiles

FORMAT = 1
"""Number of the layout of a store, which the description of a source states."""


class Label(NamedTuple):
    """What is known of one pseudo-mask without ground truth.

    Args:
        name: The sample's name; the map is ``NAME.png``.
        source: Identity of what made it, :func:`source_id`.
        score: Its contrast, in [-1, 1].
        area: Share of the image above one half, in [0, 1].
        sha256: Checksum of the PNG file.
        image_sha256: Checksum of its image file.
    """

    name: str
    source: str
    score: float
    area: float
    sha256: str
    image_sha256: str


class Encoded(NamedTuple):
    """A map that is ready to be stored.

    Args:
        label: What is known of it.
        content: The PNG file.
    """

    label: Label
    content: bytes


class LabelStore:
    """Pseudo-masks in a folder.

    Args:
        folder: The folder; it is made when the first map is written.
        source: What makes the maps, as primitives (method, arguments, checksum of its weights,
            refinement); None to read only.
        rank: The number of this process among those that write.

    Raises:
        SodError: The folder holds labels of another source, or its manifest is damaged.
    """

    def __init__(
        self, folder: str | Path, source: Mapping[str, Any] | None = None, rank: int = 0
    ) -> None:
        self.folder = Path(folder)
        self.source = source
        self.rank = rank
        self.labels = self._read()
        self._verified = VerifiedFiles(self.folder / "verified.json")
        others = {label.source for label in self.labels.values()}
        for other in others:
            self._check_format(self.folder / f"source-{other}.json")
        if source is not None and others - {source_id(source)}:
            raise SodError(
                f"{self.folder}: holds pseudo-masks of another source ({others.pop()}, see "
                f"source-*.json) than {source_id(source)}: give another folder or delete it."
            )

    def path(self, name: str) -> Path:
        """Return the file of one map."""
        return self.folder / f"{name}.png"

    def has(self, sample: Sample) -> bool:
        """Return whether the map of this very image is there and undamaged."""
        label = self.labels.get(sample.name)
        return (
            label is not None
            and self._verified.matches(self.path(sample.name), label.sha256)
            and self._verified.matches(sample.image, label.image_sha256)
        )

    def missing(self, samples: Sequence[Sample], processes: int = 1) -> list[Sample]:
        """Return the samples of this process's share that have no map yet.

        Raises:
            SodError: Two samples share a name.
        """
        check_names(samples)
        missing = [sample for sample in samples[self.rank :: processes] if not self.has(sample)]
        if self.rank == 0:
            self._verified.save()
        return missing

    def write(self, sample: Sample, saliency: Tensor) -> Label:
        """Store one map atomically.

        Args:
            sample: Its image.
            saliency: ``[H, W]`` in [0, 1].

        Raises:
            SodError: The store is read only, or a file cannot be written.
        """
        return self.put(sample, self.encode(sample, saliency))

    def encode(self, sample: Sample, saliency: Tensor) -> Encoded:
        """Compress a map without storing it, as any thread may do; the arguments are write's.

        Raises:
            SodError: The store is read only.
        """
        if self.source is None:
            raise SodError(f"{self.folder}: opened without a source, so that nothing is written.")
        check_map(saliency, sample.image)
        buffer = BytesIO()
        Image.fromarray(to_levels(saliency).cpu().numpy()).save(buffer, "png", **RUNS)
        content = buffer.getvalue()
        label = Label(
            sample.name,
            source_id(self.source),
            *contrast_and_area(saliency),
            hashlib.sha256(content).hexdigest(),
            file_checksum(sample.image),
        )
        return Encoded(label, content)

    def put(self, sample: Sample, encoded: Encoded) -> Label:
        """Store a compressed map atomically, and return what is known of it.

        Raises:
            SodError: A file cannot be written.
        """
        label, content = encoded
        if not self.labels:
            described = stamp(FORMAT) | dict(self.source or {})
            description = json.dumps(described, indent=2, sort_keys=True) + "\n"
            write_text(self.folder / f"source-{label.source}.json", description)
        path = self.path(sample.name)
        with atomic_file(path) as temporary:
            temporary.write_bytes(content)
        _append(self.folder / f"manifest.{self.rank}.jsonl", json.dumps(label._asdict()))
        self._verified.add(path, label.sha256)
        self._verified.add(sample.image, label.image_sha256)
        self.labels[sample.name] = label
        return label

    def join(self) -> None:
        """Join the manifests of all processes; one process calls it when all have finished."""
        self.reload()
        parts = self._parts()
        if not parts:
            return
        lines = [json.dumps(self.labels[name]._asdict()) for name in sorted(self.labels)]
        write_text(self.folder / "manifest.jsonl", "".join(f"{line}\n" for line in lines))
        for part in parts:
            part.unlink()
        self._verified.save()

    def reload(self) -> None:
        """Read what other processes have written."""
        self.labels = self._read()

    def _check_format(self, description: Path) -> None:
        if description.is_file():
            content = read_json(description, "delete the file")
            if isinstance(content, dict):
                check_format(content, FORMAT, f"{description}")

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("manifest.*.jsonl"))

    def _read(self) -> dict[str, Label]:
        whole = self.folder / "manifest.jsonl"
        labels: dict[str, Label] = {}
        for manifest in [*([whole] if whole.is_file() else []), *self._parts()]:
            labels.update((label.name, label) for label in _lines(manifest))
        return labels


def complete_store(folder: str | Path, samples: Sequence[Sample]) -> LabelStore:
    """Open a store that has the pseudo-mask of every sample.

    Raises:
        SodError: A map is missing, damaged, or belongs to another image.
    """
    store = LabelStore(folder)
    missing = store.missing(samples)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise SodError(
            f"labels.store {folder}: has no valid pseudo-mask of {missing[0].image}{more}: "
            "run `sod predict --pseudo` on these images, or name a labels.teacher."
        )
    return store


def source_id(source: Mapping[str, Any]) -> str:
    """Return a short name of a source: the method, and a checksum of its description."""
    text = json.dumps(source, sort_keys=True)
    return f"{source.get('method', 'maps')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def check_names(samples: Sequence[Sample]) -> None:
    """Reject samples whose maps would overwrite each other.

    Raises:
        SodError: Two samples share a name.
    """
    seen: dict[str, Path] = {}
    for sample in samples:
        if sample.name in seen:
            raise SodError(
                f"{seen[sample.name]} and {sample.image} share the name '{sample.name}', so that "
                "one pseudo-mask would replace the other: label their folders one by one."
            )
        seen[sample.name] = sample.image


def _lines(manifest: Path) -> Iterator[Label]:
    text = read_text(manifest, "delete the file")
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        label = _label(line)
        if label is not None:
            yield label
        elif number < len(lines) or text.endswith("\n"):
            raise SodError(f"{manifest}: line {number} is damaged: delete the file.")
        # Else a kill has cut the last line short; its map is made again.


def _label(line: str) -> Label | None:
    """Return what a line of a manifest says; None for a damaged one."""
    try:
        label = Label(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (label.name, label.source, label.sha256, label.image_sha256)
    numbers = (label.score, label.area)
    if not all(isinstance(text, str) for text in texts):
        return None
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in numbers):
        return None
    return label


def _append(manifest: Path, line: str) -> None:
    """Append a line to a manifest, after removing a line that a kill cut short.

    Raises:
        SodError: It cannot be written.
    """
    try:
        with manifest.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
            file.write(f"{line}\n".encode())
    except OSError as error:
        raise SodError(f"{manifest}: cannot be written: {error.strerror}.") from error
