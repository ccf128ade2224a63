"""Layers of the package: a room imports only from itself and from the rooms below it."""

import ast
from pathlib import Path

import pytest
from helpers.places import ROOT

ROOMS = {
    "testing": "the contract of a method as a test class, for other packages too",
    "cli": "the command line, one file per command",
    "demo": "the page to try models in a browser",
    "api": "the program in Python: load, models, evaluate, refine",
    "methods": "the detectors, one file or folder each",
    "evaluation": "metrics of methods and saved maps: results, tables, figures, benchmarks",
    "labels": "pseudo-labels: the store, scores, selection, consensus, teachers, writing, video",
    "prediction": "images without masks in; maps, overlays, cut-outs and instances out",
    "engine": "the base class of methods, training, monitors, checkpoints, exported models",
    "tuning": "the choice of a backbone's features without masks",
    "nn": "backbones, decoders, connectivity and losses: plain modules and functions",
    "metrics": "the metrics of a map, and the protocols that define how they are computed",
    "spectral": "the token graph, its eigenvector and the normalized cut",
    "refinement": "the bilateral solver and the refinement of binary masks",
    "data": "datasets, images, augmentations and loaders: from a folder on disk to a batch",
    "core": "errors, files, processes, precision and seeds",
}
"""Contents of each room, from the top layer to the bottom."""

ORDER = list(ROOMS)
PACKAGE = ROOT / "sod"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def imported(path: Path) -> set[str]:
    """Return the rooms that a module imports from, including imports inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("sod.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downwards_only(path: Path) -> None:
    own = ORDER.index(path.relative_to(PACKAGE).parts[0])
    assert {room for room in imported(path) if ORDER.index(room) < own} == set()


def test_every_room_is_listed() -> None:
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert entries == {*ROOMS, "__init__.py", "__main__.py", "py.typed"}
