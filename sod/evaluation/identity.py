"""What the results of an evaluation depend on: checksums that tell whether they are still valid."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from sod.core.errors import SodError
from sod.core.files import file_checksum, read_yaml
from sod.data.benchmarks import Dataset
from sod.data.samples import Sample
from sod.evaluation.map_sources import MapSource, map_files

Identity = dict[str, Any]


def identity_of(arguments: Sequence[str], dataset: Dataset, options: Sequence[str]) -> Identity:
    """Return what the results of one method on one dataset depend on, as primitives.

    Checkpoints, configs and the files that a config names (weights, teachers) are known by their
    content, images, masks and maps by name, size and modification time. Where the files lie does
    not matter. A checkpoint refers to a frozen backbone by its checksum, so the checkpoint's own
    content covers it.

    Args:
        arguments: Options of `sod evaluate` that build the method, as ``--key value`` pairs.
        dataset: The dataset.
        options: Further options of the evaluation.

    Raises:
        SodError: A file or folder is absent, or a config cannot be read.
    """
    pairs = zip(arguments[::2], arguments[1::2], strict=True)
    return {
        "program": _program_checksum(),
        "method": [[key, _content(key, Path(value), dataset.name)] for key, value in pairs],
        "data": [dataset.name, _stamps(_files_of(dataset.samples))],
        "options": list(options),
    }


def _content(key: str, path: Path, dataset: str) -> Any:  # noqa: ANN401 - primitives
    if key == "--maps":
        return _stamps(map_files(MapSource("", str(path)), dataset).items())
    if key == "--config":
        return _config_checksums(path)
    return file_checksum(path)


def _config_checksums(path: Path) -> list[str]:
    """Return the checksums of a config and of all files that it names, directly or indirectly."""
    checksums: dict[Path, str] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file.resolve() in checksums:
            continue
        if file.is_dir():
            inside = sorted(other for other in file.rglob("*") if other.is_file())
            names = ((other.relative_to(file).as_posix(), other) for other in inside)
            checksums[file.resolve()] = _stamps(names)
            continue
        checksums[file.resolve()] = file_checksum(file)
        if file.suffix in {".yaml", ".yml"}:
            waiting += _named_files(read_yaml(file, "--config"))
    return list(checksums.values())


def _named_files(config: dict[str, Any]) -> Iterator[Path]:
    """Yield the files that a config names; folders (pseudo-label stores) below ``model`` only."""
    for key, value in config.items():
        for text in _texts(value):
            for part in text.split("+"):
                with suppress(OSError, ValueError):  # the text is no possible path
                    path = Path(part)
                    if path.is_file() or (part and key == "model" and path.is_dir()):
                        yield path


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - content of a YAML file
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _files_of(samples: Iterable[Sample]) -> Iterator[tuple[str, Path]]:
    for sample in samples:
        yield f"{sample.name} image", sample.image
        if sample.mask is not None:
            yield f"{sample.name} mask", sample.mask


def _stamps(files: Iterable[tuple[str, Path]]) -> str:
    """Return one checksum over the names, sizes and modification times of files."""
    digest = hashlib.sha256()
    for name, path in files:
        try:
            status = path.stat()
        except OSError as error:
            raise SodError(f"{path}: cannot be read: {error.strerror}.") from error
        digest.update(f"{name}\0{path.suffix}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@lru_cache
def _program_checksum() -> str:
    """Return one checksum over the program's source, as it was when first asked for."""
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder).as_posix()} {file_checksum(file)}\n".encode())
    return digest.hexdigest()
