from pathlib import Path

import pytest
import torch
import yaml

from sod.cli import main
from sod.engine.runs import find_runs


def make_run(folder: Path, steps: int | None, total: int, score: float | None) -> None:
    """Write what a run leaves that listing it reads."""
    folder.mkdir(parents=True)
    config = {
        "model": {"class_path": "sod.methods.peekaboo.Peekaboo"},
        "data": {"train": "DUTS-TR"},
        "trainer": {"max_steps": total},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    if steps is not None:
        torch.save({"global_step": steps}, folder / "last.ckpt")
    if score is not None:
        best = {"figure": "val/score", "value": score, "step": 1}
        torch.save({"best": best}, folder / "best.ckpt")


def test_runs_are_listed_with_score_state_and_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "a", 200, 200, 0.75)
    make_run(tmp_path / "b", 50, 200, None)
    make_run(tmp_path / "c", None, 200, None)
    (tmp_path / "c" / "last.ckpt").write_bytes(b"torn")
    a, b, c = find_runs(tmp_path)
    assert (a.method, a.train, a.steps, a.total) == ("Peekaboo", "DUTS-TR", 200, 200)
    assert a.score == ("val/score", 0.75)
    assert [run.state for run in (a, b, c)] == ["finished", "stopped", "stopped"]
    assert main(["runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert lines == [
        f"sod predict --ckpt {a.folder}/best.ckpt --source PHOTOS",
        f"sod fit --config {b.folder}/config.yaml --out {b.folder}",
        f"sod fit --config {c.folder}/config.yaml --out {c.folder}",
    ]
    assert main(["runs", str(tmp_path / "none")]) == 2
    assert "there is no such folder" in capsys.readouterr().err
