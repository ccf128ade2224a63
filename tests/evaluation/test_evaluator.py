"""The cost of a method in the rows of an evaluation."""

import sys
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from helpers.places import ROOT

from sod.data.datamodule import SaliencyData
from sod.data.samples import Sample
from sod.evaluation.callback import Evaluation
from sod.evaluation.evaluator import Evaluator, peak_memory
from sod.evaluation.plan import make_plan
from sod.evaluation.tables import make_tables
from sod.methods.centre_box import CentreBox

TIMES = ("seconds_per_image", "peak_memory_mb", "seconds")
QUIET: dict[str, Any] = {"logger": False, "enable_progress_bar": False}


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


def test_results_do_not_depend_on_threads_and_windows(scenes: Path, tmp_path: Path) -> None:
    found = []
    for threads, together in ((0, 1), (2, 1), (0, 2), (2, 16)):
        maps = tmp_path / f"{threads}-{together}"
        evaluation = Evaluation(
            "M", ["own"], make_plan("mean-max", "none,bilateral", "default"), maps, threads
        )
        trainer = pl.Trainer(accelerator="cpu", callbacks=[evaluation], **QUIET)
        data = SaliencyData(test=str(scenes), num_workers=0, eval_batch_size=together)
        trainer.test(CentreBox(0.5), datamodule=data, verbose=False)
        (result,) = evaluation.results
        rows = [
            {key: value for key, value in row.items() if key not in TIMES}
            for row in [*result.rows, *result.per_image]
        ]
        files = [file.read_bytes() for file in sorted(maps.rglob("*.png"))]
        found.append((rows, files, [case.name for case in result.gallery.chosen()["best"]]))
    assert len(found[0][1]) == 6
    assert all(other == found[0] for other in found[1:])
