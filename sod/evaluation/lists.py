"""The methods of a benchmark: from the command line, or from a YAML list with sets and styles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.lines import Line2D

from sod.core.configs import find_config, is_config, packaged_configs
from sod.core.errors import SodError, suggest, suggest_path
from sod.core.files import read_yaml
from sod.core.names import check_file_name
from sod.evaluation.map_sources import is_source, parse_source
from sod.evaluation.statistics import SEED_MARK

_CHECKPOINTS = {".ckpt", ".onnx", ".safetensors"}
_STYLE = ("color", "linestyle", "linewidth", "marker")
_KEYS = ("source", *_STYLE)


@dataclass(frozen=True)
class BenchmarkEntry:
    """A method of the benchmark.

    Attributes:
        label: Name in tables, figures and folders; ``NAME@SEED`` for one of several runs.
        arguments: Options of `sod evaluate` that build the method, or ``--maps`` and a folder.
    """

    label: str
    arguments: tuple[str, ...]

    @property
    def maps(self) -> str | None:
        """The folder or pattern of saved maps, or None for a method."""
        return self.arguments[1] if self.arguments[0] == "--maps" else None


@dataclass(frozen=True)
class MethodList:
    """Methods, and what else a list file says.

    Attributes:
        entries: The methods, in order.
        sets: Names of the data sets, comma-separated, or None if the list names none.
        styles: Line properties of the curves by label.
    """

    entries: list[BenchmarkEntry]
    sets: str | None = None
    styles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def parse_methods(text: str) -> MethodList:
    """Parse ``LABEL=CONFIG+CONFIG,FILE.ckpt,MAPS``, or read a list file.

    A label defaults to the file's stem. A list file is YAML with the key ``methods``: by label a
    config, checkpoint, folder or pattern of maps; a list of these for runs with several seeds; or
    a mapping with ``source`` and line properties (``color``, ``linestyle``, ...). The key ``sets``
    lists data sets.

    Raises:
        SodError: There is no entry, a file is absent, or two entries share a label.
    """
    listed = _list_file(text)
    if listed is not None:
        return listed
    entries = [_entry(part.strip()) for part in text.split(",") if part.strip()]
    return MethodList(_checked(entries))


def _checked(entries: list[BenchmarkEntry]) -> list[BenchmarkEntry]:
    labels = [entry.label for entry in entries]
    if not labels:
        raise SodError("--methods: names none; give configs, checkpoints or folders of maps.")
    repeated = next((label for label in labels if labels.count(label) > 1), None)
    if repeated:
        raise SodError(f"--methods: '{repeated}' occurs twice: label one as NAME=FILE.")
    return entries


def _list_file(text: str) -> MethodList | None:
    path = Path(text)
    if path.suffix not in {".yaml", ".yml"} or not path.is_file():
        return None
    content = read_yaml(path, "--methods")
    if "methods" not in content:
        return None
    _check_keys(content, ("methods", "sets"), str(path))
    if not isinstance(content["methods"], dict):
        raise SodError(f"{path}: methods: expected entries of NAME: SOURCE.")
    entries: list[BenchmarkEntry] = []
    styles: dict[str, dict[str, Any]] = {}
    for label, value in content["methods"].items():
        sources, styles[str(label)] = _described(str(label), value, path)
        entries += _runs(str(label), sources)
    sets = content.get("sets")
    names = ",".join(map(str, sets)) if isinstance(sets, list) else sets
    if not isinstance(names, str | None):
        raise SodError(f"{path}: sets: expected names of data sets, not {names!r:.40}.")
    return MethodList(_checked(entries), names, styles)


def _described(label: str, value: Any, path: Path) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401
    """Return the source of an entry and its style."""
    if not isinstance(value, dict):
        return value, {}
    _check_keys(value, _KEYS, f"{path}: methods.{label}")
    if "source" not in value:
        raise SodError(f"{path}: methods.{label}: has no 'source'.")
    style = {key: value[key] for key in _STYLE if key in value}
    try:
        Line2D([], [], **style)
    except (ValueError, TypeError, AttributeError) as error:
        raise SodError(f"{path}: methods.{label}: is no style of a line: {error}") from error
    return value["source"], style


def _check_keys(content: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in content:
        if key not in known:
            raise SodError(
                f"{where}: unknown key '{key}'.{suggest(str(key), known)} "
                f"Known: {', '.join(known)}."
            )


def _runs(label: str, sources: Any) -> Iterator[BenchmarkEntry]:  # noqa: ANN401 - from YAML
    if not isinstance(sources, list):
        yield _entry(f"{label}={sources}")
        return
    for number, source in enumerate(sources):
        yield _entry(f"{label}{SEED_MARK}{number}={source}")


def _entry(part: str) -> BenchmarkEntry:
    label, equals, files = part.partition("=")
    text = files if equals else label
    if is_source(text):
        source = parse_source(part)
        name = source.label
        arguments: tuple[str, ...] = ("--maps", source.pattern)
    else:
        parts = text.split("+")
        paths = [Path(find_config(x, "--methods") if is_config(x) else x) for x in parts]
        name = label if equals else paths[0].stem
        arguments = _arguments(paths)
    check_file_name(name, "--methods")
    return BenchmarkEntry(name, arguments)


def _arguments(paths: list[Path]) -> tuple[str, ...]:
    for path in paths:
        if not path.exists():
            hint = suggest_path(str(path)) or suggest(str(path), packaged_configs())
            raise SodError(
                f"--methods {path}: there is no such config, checkpoint or folder.{hint}"
            )
    if paths[0].suffix in _CHECKPOINTS:
        return ("--ckpt", str(paths[0]))
    return tuple(word for path in paths for word in ("--config", str(path)))
