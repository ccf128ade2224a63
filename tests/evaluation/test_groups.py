import csv
from pathlib import Path

import pytest
import torch

from sod.data.samples import Sample
from sod.evaluation.evaluator import Evaluator
from sod.evaluation.writing import write_results
from sod.metrics.collection import SaliencyMetrics


def test_measures_per_group_are_those_of_the_group_alone(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    evaluator = Evaluator("method", "set", "mean-max", ["none"])
    alone = {name: SaliencyMetrics("mean-max") for name in ("cats", "cups")}
    for name in ("cats/1", "cats/2", "cups/1"):
        saliency = torch.rand(1, 12, 10, generator=generator)
        mask = (torch.rand(12, 10, generator=generator) > 0.5).byte() * 255
        sample = Sample(name, Path(f"{name}.png"))
        evaluator.update(sample, torch.rand(3, 12, 10), mask, saliency, 0.0)
        alone[sample.group].update(saliency[0], mask)
    result = evaluator.result()
    rows = {row["group"]: row for row in result.per_group}
    expected = {name: metrics.compute() for name, metrics in alone.items()}
    for name, measures in expected.items():
        assert {key: rows[name][key] for key in measures} == pytest.approx(measures)
    assert (rows["cats"]["images"], rows["cups"]["images"]) == (2, 1)
    mean = (expected["cats"]["iou"] + expected["cups"]["iou"]) / 2
    assert rows["mean of groups"]["iou"] == pytest.approx(mean)
    write_results([result], tmp_path)
    with (tmp_path / "per_group.csv").open() as file:
        assert [row["group"] for row in csv.DictReader(file)] == ["cats", "cups", "mean of groups"]


def test_a_set_without_groups_has_no_rows_per_group(tmp_path: Path) -> None:
    evaluator = Evaluator("method", "set", "mean-max", ["none"])
    mask = torch.full((4, 4), 255, dtype=torch.uint8)
    evaluator.update(Sample("a", Path("a")), torch.rand(3, 4, 4), mask, torch.rand(1, 4, 4), 0.0)
    result = evaluator.result()
    assert result.per_group == []
    write_results([result], tmp_path)
    assert not (tmp_path / "per_group.csv").exists()
