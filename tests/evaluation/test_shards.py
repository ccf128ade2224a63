"""Parts of an evaluation, joined."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from sod.core.errors import SodError
from sod.core.shards import WHOLE, Shard
from sod.data.datamodule import SaliencyData
from sod.data.synthetic import write_scenes
from sod.evaluation.callback import Evaluation
from sod.evaluation.evaluator import Result
from sod.evaluation.plan import Plan
from sod.evaluation.shards import Parts
from sod.methods.centre_box import CentreBox

QUIET: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "accelerator": "cpu"}
PLAN = Plan(refinements=("none", "bilateral"))
NOT_COMPARED = ("seconds", "seconds_per_image", "peak_memory_mb")


def parts(folder: Path, number: int, **about: Any) -> Parts:  # noqa: ANN401
    return Parts(folder, Shard(number, 3), {"method": "M", **about})


def evaluate(scenes: Path, shard: Shard, save: Parts | None = None) -> Result | None:
    evaluation = Evaluation("M", ["own"], PLAN, None, 0, save.save if save else None)
    data = SaliencyData(test=str(scenes), num_workers=0)
    data.shard = shard
    trainer = pl.Trainer(callbacks=[evaluation], **QUIET)
    trainer.test(CentreBox(0.5), datamodule=data, verbose=False)
    return evaluation.results[0] if evaluation.results else None


def rows(result: Result) -> list[dict[str, Any]]:
    found = [*result.rows, *result.per_image, *result.per_group]
    return [{k: v for k, v in row.items() if k not in NOT_COMPARED} for row in found]


def test_three_shards_equal_one_run(tmp_path: Path) -> None:
    for group in ("cats", "dogs"):
        write_scenes(tmp_path / "own" / group, count=2, size=(40, 56), seed=len(group) * 3)
        for kind in ("images", "masks"):
            (tmp_path / "own" / kind).mkdir(exist_ok=True)
            (tmp_path / "own" / group / kind).rename(tmp_path / "own" / kind / group)
    whole = evaluate(tmp_path / "own", WHOLE)
    assert whole is not None
    assert len(whole.per_group) == 2 * 3
    for number in (1, 2, 3):
        assert parts(tmp_path, number).missing() == list(range(number, 4))
        one = parts(tmp_path, number)
        assert evaluate(tmp_path / "own", Shard(number, 3), one) is None
    joined = Evaluation("M", ["own"], PLAN)
    parts(tmp_path, 1).join(joined.evaluators)
    result = joined.evaluators[0].result()
    for found, expected in zip(rows(result), rows(whole), strict=True):
        assert found == pytest.approx(expected, abs=1e-12)
    for label, curves in whole.curves.items():
        for name, curve in curves.items():
            torch.testing.assert_close(result.curves[label][name], curve, rtol=0, atol=1e-12)
    shown = [
        {kind: [case.name for case in cases] for kind, cases in each.gallery.chosen().items()}
        for each in (result, whole)
    ]
    assert shown[0] == shown[1]
    assert [*result.images] == [*whole.images]


def test_another_evaluation_and_a_damaged_part_are_refused(tmp_path: Path) -> None:
    write_scenes(tmp_path / "own", count=3, size=(40, 56), seed=1)
    for number in (1, 2, 3):
        evaluate(tmp_path / "own", Shard(number, 3), parts(tmp_path, number, weights=number // 3))
    joined = Evaluation("M", ["own"], PLAN)
    with pytest.raises(SodError, match=r"3-of-3\.pt: was measured with another weights: remove it"):
        parts(tmp_path, 1, weights=0).join(joined.evaluators)
    (tmp_path / "1-of-3.pt").write_bytes(b"PK broken")
    with pytest.raises(SodError, match=r"1-of-3\.pt: is damaged: remove it"):
        parts(tmp_path, 1, weights=0).join(joined.evaluators)
