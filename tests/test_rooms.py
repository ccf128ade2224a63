"""The rooms of the project: few, and imports only fall from one to those below it."""

import ast
from pathlib import Path

import pytest
from helpers.places import ROOT

ROOMS = {
    "cli": "commands, one file each; knows no method by name",
    "methods": "the detectors, one file or folder each",
    "evaluation": "measuring methods and saved maps: results, tables, figures, benchmarks",
    "labels": "pseudo-labels: the store, scores, selection, consensus, teachers, writing, video",
    "prediction": "images of one's own in, maps, overlays, cut-outs and instances out",
    "engine": "the base class of methods, training, monitors, checkpoints, exported models",
    "nn": "backbones, decoders, connectivity and losses: plain modules and functions",
    "metrics": "the measures of a map and the protocols that decide how they are taken",
    "spectral": "the graph of tokens, its eigenvector and the normalized cut",
    "refine": "the bilateral solver, and binary masks",
    "data": "everything between a folder on disk and a batch",
    "core": "errors, files, processes and the seed",
}
"""From the top to the bottom: a room imports from itself and from those below it."""

ORDER = list(ROOMS)
PACKAGE = ROOT / "sod"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def imported(path: Path) -> set[str]:
    """Return the rooms that a module imports from, in functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("sod.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_fall(path: Path) -> None:
    own = ORDER.index(path.relative_to(PACKAGE).parts[0])
    assert {room for room in imported(path) if ORDER.index(room) < own} == set()


def test_every_room_is_in_the_plan() -> None:
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert entries == {*ROOMS, "__init__.py", "__main__.py"}
