"""The pseudo-label store: soft maps of a teacher, each beside what is known of it.

A store is a folder of 8-bit PNG files (255 times the saliency, in the size of their images) and a
manifest, ``manifest.jsonl``, with one :class:`Label` a line; ``source-ID.json`` tells in full what
made them. Several processes write at once, each with a manifest of its own until they are joined.
A map that is on disk with the checksum its line states is never made again.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.data.samples import Sample

FAINT = 0.05
"""Saliency below this counts as zero: the bilateral solver's is never quite zero."""


class Label(NamedTuple):
    """What is known of one pseudo-mask, without having seen a real one.

    Args:
        name: The sample's name; the map is ``NAME.png``.
        source: The identity of what made it, :func:`source_id`.
        score: How clearly it stands out, :func:`rate`.
        area: Share of the image above one half, in [0, 1].
        sha256: Of the PNG file.
        image_sha256: Of the image file it belongs to.
    """

    name: str
    source: str
    score: float
    area: float
    sha256: str
    image_sha256: str


class LabelStore:
    """Pseudo-masks in a folder.

    Args:
        folder: Where they lie; made when the first is written.
        source: What makes them, as primitives (method, arguments, checksum of its weights,
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
        others = {label.source for label in self.labels.values()}
        if source is not None and others - {source_id(source)}:
            raise SodError(
                f"{self.folder}: holds pseudo-masks of another source ({others.pop()}, see "
                f"source-*.json) than {source_id(source)}: give another folder or delete it."
            )

    def path(self, name: str) -> Path:
        """Return the file of one map."""
        return self.folder / f"{name}.png"

    def has(self, sample: Sample) -> bool:
        """Say whether the map of this very image is there, and whole."""
        label = self.labels.get(sample.name)
        file = self.path(sample.name)
        return (
            label is not None
            and file.is_file()
            and file_sha256(file) == label.sha256
            and file_sha256(sample.image) == label.image_sha256
        )

    def missing(self, samples: Sequence[Sample], processes: int = 1) -> list[Sample]:
        """Return this process's share of the samples, those without what is there already.

        Raises:
            SodError: Two samples share a name.
        """
        check_names(samples)
        return [sample for sample in samples[self.rank :: processes] if not self.has(sample)]

    def write(self, sample: Sample, saliency: Tensor) -> Label:
        """Store one map, whole or not at all.

        Args:
            sample: Whose it is.
            saliency: ``[H, W]`` in [0, 1].

        Raises:
            SodError: The store is read only, or a file cannot be written.
        """
        if self.source is None:
            raise SodError(f"{self.folder}: opened without a source, so that nothing is written.")
        values = np.rint(saliency.float().clamp(0, 1).cpu().numpy() * 255).astype(np.uint8)
        buffer = BytesIO()
        Image.fromarray(values).save(buffer, "png")
        content = buffer.getvalue()
        label = Label(
            sample.name,
            source_id(self.source),
            *rate(saliency),
            hashlib.sha256(content).hexdigest(),
            file_sha256(sample.image),
        )
        try:
            if not self.labels:
                described = json.dumps(self.source, indent=2, sort_keys=True) + "\n"
                _replace(self.folder / f"source-{label.source}.json", described.encode(), self.rank)
            _replace(self.path(sample.name), content, self.rank)
            _append(self._manifest(self.rank), json.dumps(label._asdict()))
        except OSError as error:
            raise SodError(f"{self.folder}: cannot be written: {error.strerror}.") from error
        self.labels[sample.name] = label
        return label

    def join(self) -> None:
        """Join the manifests of all processes; one of them calls it, when all have finished."""
        self.labels = self._read()
        parts = self._parts()
        if not parts:
            return
        lines = [json.dumps(self.labels[name]._asdict()) for name in sorted(self.labels)]
        _replace(self.folder / "manifest.jsonl", "".join(f"{x}\n" for x in lines).encode(), 0)
        for part in parts:
            part.unlink()

    def reload(self) -> None:
        """Read what other processes have written."""
        self.labels = self._read()

    def _manifest(self, rank: int) -> Path:
        return self.folder / f"manifest.{rank}.jsonl"

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("manifest.*.jsonl"))

    def _read(self) -> dict[str, Label]:
        whole = self.folder / "manifest.jsonl"
        labels: dict[str, Label] = {}
        for manifest in [*([whole] if whole.is_file() else []), *self._parts()]:
            labels.update((label.name, label) for label in _lines(manifest))
        return labels


def rate(saliency: Tensor) -> tuple[float, float]:
    """Rate a soft map by itself: how clearly the object stands out from the border.

    Args:
        saliency: ``[H, W]`` in [0, 1].

    Returns:
        The score in [-1, 1], the mean where the map is not zero (Croitoru et al., 2017) minus the
        mean of its outermost pixels; and the share of the image above one half.
    """
    values = saliency.double()
    present = values > FAINT
    inside = (values * present).sum() / present.sum().clamp(min=1)
    edges = values.new_ones(values.shape).bool()
    edges[1:-1, 1:-1] = False
    score = inside - values[edges].mean()
    return float(score), float((values > 0.5).double().mean())


def select(
    labels: Iterable[Label], keep: float, low: float = 0.03, high: float = 0.6
) -> list[Label]:
    """Choose the best labels, the best first.

    Args:
        labels: To choose from.
        keep: The share of them that is kept, at least one label.
        low: Objects with a smaller share of the image come after all others: tiny sharp blobs
            stand out best.
        high: So do larger ones.
    """

    def order(label: Label) -> tuple[bool, float, str]:
        return not low <= label.area <= high, -label.score, label.name

    ranked = sorted(labels, key=order)
    return ranked[: ceil(keep * len(ranked))]


def source_id(source: Mapping[str, Any]) -> str:
    """Return a short name for a source: the method, and a checksum of all that describes it."""
    text = json.dumps(source, sort_keys=True)
    return f"{source.get('method', 'maps')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def check_names(samples: Sequence[Sample]) -> None:
    """Refuse samples that would overwrite one another's maps.

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


def file_sha256(path: Path) -> str:
    """Return the checksum of a file.

    Raises:
        SodError: It cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SodError(f"{path}: cannot be read: {error.strerror}.") from error


def _lines(manifest: Path) -> Iterator[Label]:
    text = manifest.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            yield Label(**json.loads(line))
        except (ValueError, TypeError) as error:
            last = number == len(text.splitlines()) and not text.endswith("\n")
            if not last:  # a kill may cut the last line short; its map is made again
                raise SodError(f"{manifest}: line {number} is damaged: delete the file.") from error


def _replace(path: Path, content: bytes, rank: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{rank}.tmp")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _append(manifest: Path, line: str) -> None:
    with manifest.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            cut = file.read(1) != b"\n"
            if cut:
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        file.write(f"{line}\n".encode())
