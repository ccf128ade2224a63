"""The notebooks run from top to bottom, and are stored without results."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.places import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def code_of(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_results_are_stored(path: Path) -> None:
    cells = code_of(path)
    assert len(cells) >= 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    for cell in code_of(path):
        text = "".join(cell["source"])
        exec(compile(text, path.name, "exec"), space)
    assert space["photos" if path.stem == "own_photos" else "rows"]
    results = "cut/cutout/*.png" if path.stem == "own_photos" else "table/report.html"
    assert list(tmp_path.glob(results))
