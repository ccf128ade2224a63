"""The cost of a method in the rows of an evaluation."""

import sys
from pathlib import Path
from runpy import run_path

import pytest
import torch
from helpers.places import ROOT

from sod.data.samples import Sample
from sod.evaluation.evaluator import Evaluator, peak_memory
from sod.evaluation.tables import make_tables


def test_without_a_measure_of_the_hosts_memory_the_row_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (peak_memory() or 0) > 50
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert peak_memory() is None
    evaluator = Evaluator("M", "D", "mean-max", ["none"])
    mask = torch.full((4, 4), 255, dtype=torch.uint8)
    sample = Sample("a", Path("a.png"), None)
    evaluator.update(sample, torch.rand(3, 4, 4), mask, torch.ones(1, 4, 4), 1.0)
    (row,) = evaluator.result().rows
    assert "peak_memory_mb" not in row
    assert row["iou"] == 1
    (table,) = make_tables([row])
    names = [name for _, name in table.columns]
    assert "seconds_per_image" in names
    assert "peak_memory_mb" not in names


def test_the_module_is_imported_where_there_is_no_module_of_unix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert callable(run_path(str(ROOT / "sod" / "evaluation" / "evaluator.py"))["Evaluator"])
