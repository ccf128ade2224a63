import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = [
    {"errors"},
    {"data", "metrics"},
    {
        "nn",
        "spectral",
        "refine",
        "resize",
        "connectivity",
        "pseudo",
        "selection",
        "consensus",
        "monitors",
        "processes",
        "optimisers",
        "drafts",
        "model_file",
        "portable",
    },
    {"evaluation", "method"},
    {"checkpoint"},
    {"teacher"},
    {"learner"},
    {"methods"},
    {
        "callbacks",
        "training",
        "labelling",
        "predict",
        "report",
        "maps",
        "discovery",
        "benchmark",
        "video",
        "export",
    },
    {"generations"},
    {"cli"},
    {"__main__"},
]
MODULES = sorted(
    path
    for path in (ROOT / "sod").rglob("*.py")
    if path.parent != ROOT / "sod" or path.stem != "__init__"
)


def layer_of(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sod."):
            names.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {
                alias.name.split(".")[1] for alias in node.names if alias.name.startswith("sod.")
            }
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    own = path.relative_to(ROOT / "sod").parts[0].removesuffix(".py")
    above = {name for name in imported(path) if layer_of(name) > layer_of(own)}
    assert not above
    if own in {"data", "metrics"}:
        assert imported(path) <= {own, "errors"}
