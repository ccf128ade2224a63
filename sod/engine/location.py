"""Weights files of backbones that a checkpoint refers to, found again in another folder."""

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeGuard

from sod.core.files import file_checksum
from sod.core.places import weight_folders

SUFFIXES = frozenset({".safetensors", ".pth", ".pt", ".bin"})


def weights_checksums(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each weights file that arguments name, by its path as it is given."""
    files = {path for path in named_weights(arguments) if Path(path).is_file()}
    return {path: _checksum(path, Path(path).stat().st_mtime_ns) for path in sorted(files)}


def locate_weights(
    arguments: Mapping[str, Any], checkpoint: Path, checksums: Mapping[str, str]
) -> dict[str, Any]:
    """Return arguments in which weights files that are not where they were are found again.

    A file is looked for at the same relative path from each folder above the checkpoint, then
    beside the checkpoint, and in the folders of :func:`sod.core.places.weight_folders`: by its
    name, and by its checksum where the checkpoint states it. Paths of files that are nowhere stay
    as they are.

    Args:
        arguments: The constructor's arguments that the checkpoint states.
        checkpoint: The file.
        checksums: SHA-256 of the weights files by path, as far as they are known.
    """

    def replace(value: Any) -> Any:  # noqa: ANN401 - nested primitives
        if isinstance(value, list | tuple):
            return [replace(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        fields = {key: replace(item) for key, item in value.items()}
        weights = fields.get("weights")
        if _is_file_name(weights) and not Path(weights).is_file():
            found = _find(weights, checkpoint, checksums.get(weights))
            fields["weights"] = weights if found is None else str(found)
        return fields

    located: dict[str, Any] = replace(arguments)
    return located


def named_weights(value: Any) -> Iterator[str]:  # noqa: ANN401 - nested primitives
    """Yield the weights files that nested arguments name."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from named_weights(item)
    elif isinstance(value, Mapping):
        if _is_file_name(value.get("weights")):
            yield value["weights"]
        for item in value.values():
            yield from named_weights(item)


def _is_file_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and Path(value).suffix in SUFFIXES


def _find(name: str, checkpoint: Path, checksum: str | None) -> Path | None:
    """Return the file, or None; one with a known and different checksum is another file."""
    for candidate in _candidates(name, checkpoint, by_content=checksum is not None):
        if checksum is None or _checksum(str(candidate), candidate.stat().st_mtime_ns) == checksum:
            return candidate
    return None


def _candidates(name: str, checkpoint: Path, by_content: bool) -> Iterator[Path]:
    above = checkpoint.resolve().parents
    relative = [] if Path(name).is_absolute() else [folder / name for folder in above]
    folders = [checkpoint.parent, checkpoint.parent / "weights", *weight_folders()]
    for path in [*relative, *(folder / Path(name).name for folder in folders)]:
        if path.is_file():
            yield Path(os.path.relpath(path)) if path in relative else path
    if by_content:
        for folder in folders:
            files = sorted(folder.glob("*")) if folder.is_dir() else []
            yield from (path for path in files if path.suffix in SUFFIXES)


@lru_cache(maxsize=64)
def _checksum(path: str, changed: int) -> str:
    """Return the SHA-256 of a file; ``changed``, its time of change, keeps the cache true."""
    return file_checksum(Path(path))
