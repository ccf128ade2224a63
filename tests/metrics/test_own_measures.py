"""Measures of other packages: in tables, in Python, and the contract that they have to pass."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.documents import blocks
from helpers.places import ROOT

import sod
from sod.cli import main
from sod.core.errors import SodError
from sod.data.synthetic import write_scenes
from sod.engine.plugins import VARIABLE, load_plugins
from sod.metrics.catalogue import CATALOGUE, OWN_MEASURES, OwnMeasure
from sod.testing import MeasureContract

(SOURCE,) = [
    block
    for block in blocks(ROOT / "docs" / "tasks" / "own-method.md", "python")
    if "OwnMeasure" in block
]
NAME = "coverage_measure_of_a_test"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The measure of the documentation as a module that a user names."""
    (tmp_path / f"{NAME}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(VARIABLE, "")
    yield NAME
    sys.modules.pop(NAME, None)
    for name in list(OWN_MEASURES):
        del OWN_MEASURES._items[name], CATALOGUE[name]


def test_a_measure_is_shown_in_tables(module: str, tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", count=2, size=48, seed=3)
    words = ["--model=CentreBox", f"--data.test={tmp_path / 'scenes'}", "--data.num_workers=0"]
    words += ["--pictures=false", f"--out={tmp_path / 'table'}", "--measures=iou,coverage"]
    assert main(["evaluate", *words, "--plugins", module]) == 0
    (row,) = json.loads((tmp_path / "table" / "metrics.json").read_text())
    assert row["coverage_low"] <= row["coverage"] <= row["coverage_high"]
    for file in ("metrics.md", "metrics.tex"):
        assert "Cov" in (tmp_path / "table" / file).read_text()


def test_its_value_is_the_mean_over_the_images(module: str) -> None:
    load_plugins([module])
    mask = torch.zeros(8, 8, dtype=torch.bool)
    mask[2:6, 2:6] = True
    maps = [mask * 0.8, torch.full((8, 8), 0.4)]
    assert sod.evaluate(maps, [mask, mask], measures="coverage") == {
        "coverage": pytest.approx(0.6, abs=1e-6)
    }


def test_the_contract_is_passed_by_the_example_and_broken_by_others(module: str) -> None:
    load_plugins([module])
    contract = sys.modules[module].TestCoverage()
    names = [name for name in dir(contract) if name.startswith("test_")]
    assert len(names) == 4
    for name in names:
        getattr(contract, name)()
    wrong = type("Wrong", (MeasureContract,), {"measure": OwnMeasure(_nan_or_half, "x" * 20)})()
    for name in set(names) - {"test_results_repeat_and_inputs_stay"}:
        with pytest.raises(AssertionError):
            getattr(wrong, name)()


def _nan_or_half(saliency: torch.Tensor, mask: torch.Tensor) -> float:
    return 0.5 if mask.any() else float("nan")


def test_taken_names_and_values_that_are_no_numbers_are_refused(module: str) -> None:
    with pytest.raises(SodError, match="'iou': the name is taken"):
        OWN_MEASURES.register("iou", OwnMeasure(_nan_or_half, "IoU"))
    OWN_MEASURES.register("wrong", OwnMeasure(_nan_or_half, "W"))
    empty = torch.zeros(8, 8, dtype=torch.bool)
    with pytest.raises(SodError, match="wrong: gives nan"):
        sod.evaluate([empty.float()], [empty], measures="wrong")
