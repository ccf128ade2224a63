"""Estimates of a training, kept in its folder for resumed runs and for other processes."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sod.core.distributed import decide_on_rank_zero, is_distributed, is_rank_zero
from sod.core.errors import SodError
from sod.core.files import write_text
from sod.core.formats import read_stamped, stamp
from sod.data.samples import Sample
from sod.labels.selection import Candidate
from sod.labels.store import LabelStore

FORMAT = 1
"""Number of the layout of the file."""
REMEDY = "delete the file"

Scores = dict[str, float]


def key_of(samples: Sequence[Sample], store: LabelStore, *settings: object) -> str:
    """Return a checksum of the images, their pseudo-masks, and settings that decide estimates."""
    labels = [store.labels[sample.name] for sample in samples]
    files = [(label.name, label.sha256, label.image_sha256) for label in labels]
    return hashlib.sha256(f"{files} {settings}".encode()).hexdigest()


def recorded(path: Path, key: str, compute: Callable[[], Sequence[Candidate]]) -> Scores:
    """Return the estimate of each candidate by its name, computed by the first process only.

    Args:
        path: The file that keeps them.
        key: Decides whether what it holds is still right.
        compute: Returns the candidates with their estimates.

    Raises:
        SodError: The file is damaged or of a later format, or they cannot be computed.
    """
    if not is_distributed() and not is_rank_zero():
        return _read(path, None) or {}  # processes that Lightning starts come after the first
    return decide_on_rank_zero(lambda: _read(path, key) or _write(path, key, compute()))


def _write(path: Path, key: str, candidates: Sequence[Candidate]) -> Scores:
    scores = {each.name: float(each.estimate or 0.0) for each in candidates}
    content: Mapping[str, object] = stamp(FORMAT) | {"key": key, "scores": scores}
    write_text(path, json.dumps(content, indent=2) + "\n")
    return scores


def _read(path: Path, key: str | None) -> Scores | None:
    """Return what the file holds; None if it is not there or has another key."""
    content = read_stamped(path, FORMAT, REMEDY)
    if content is None or (key is not None and content.get("key") != key):
        return None
    try:
        return {str(name): float(score) for name, score in content["scores"].items()}
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise SodError(f"{path}: is damaged: {REMEDY}.") from error
