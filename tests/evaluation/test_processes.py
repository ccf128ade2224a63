"""Evaluation in two processes, with fewer images than processes too."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.forks import in_two_processes
from helpers.places import CONFIGS

from sod.cli import main
from sod.data.synthetic import write_scenes
from sod.metrics import MEASURES

DEMO = ["evaluate", "--config", str(CONFIGS / "demo.yaml"), "--data.num_workers=0"]
DEMO += ["--pictures=false", "--resamples=0"]


def rows(out: Path) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads((out / "metrics.json").read_text())
    return content


@pytest.mark.usefixtures("one_thread")
def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    counts = [1, 2, 7]
    for count in counts:
        write_scenes(tmp_path / f"n{count}", count=count, size=64, seed=count)
    sets = ",".join(str(tmp_path / f"n{count}") for count in counts)
    words = [*DEMO, "--data.test", sets, "--refine=none,bilateral"]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    in_two_processes([*words, "--out", str(tmp_path / "two")], tmp_path / "log")
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert [row["images"] for row in one] == [1, 1, 2, 2, 7, 7]
    for expected, row in zip(one, two, strict=True):
        for name in ("method", "dataset", "refine", "images"):
            assert row[name] == expected[name]
        for name in MEASURES:
            assert row[name] == pytest.approx(expected[name], abs=1e-12, rel=0), name
    curves = [json.loads((tmp_path / n / "curves.json").read_text()) for n in ("one", "two")]
    for count in counts:
        one_set, two_set = (curve[f"n{count}"] for curve in curves)
        assert one_set.keys() == two_set.keys() == {"TokenCut", "TokenCut+bilateral"}
        for name, lines in one_set.items():
            for kind, values in lines.items():
                assert two_set[name][kind] == pytest.approx(values, abs=1e-12, rel=0)
