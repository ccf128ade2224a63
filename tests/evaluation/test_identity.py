"""`sod benchmark` evaluates what is new or changed, and nothing else."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from sod.cli import main
from sod.core.errors import SodError
from sod.data.benchmarks import Dataset, Location
from sod.data.layouts import Folders
from sod.engine.checkpoint import checkpoint_of
from sod.evaluation import benchmark as benchmark_module
from sod.evaluation.identity import identity_of
from sod.evaluation.lists import BenchmarkEntry
from sod.methods.centre_box import CentreBox

Evaluated = list[str]
Benchmark = Callable[..., dict[str, float]]
NO_DATA = Dataset(Location("own", Folders(Path("images"), None)), [], [])


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> Evaluated:
    """Labels of the evaluations so far, which run in this process and draw no figures."""
    labels: Evaluated = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
        labels.append(command[command.index("--label") + 1])
        return subprocess.CompletedProcess(command, main(command[3:]))

    measure = benchmark_module._measure

    def measure_maps(entry: BenchmarkEntry, *rest: Any) -> None:  # noqa: ANN401
        labels.append(entry.label)
        measure(entry, *rest)

    monkeypatch.setattr("sod.evaluation.benchmark._measure", measure_maps)
    monkeypatch.setattr("sod.evaluation.benchmark.subprocess.run", run)
    monkeypatch.setattr("sod.data.loader.default_workers", lambda _: 0)
    monkeypatch.setattr("sod.evaluation.writing.draw_curves", lambda *_: [])
    monkeypatch.setattr("sod.evaluation.writing.draw_grid", lambda _, path: path)
    return labels


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return write_box(tmp_path / "box.ckpt", share=0.6)


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    folder = tmp_path / "maps"
    folder.mkdir()
    for number in range(3):
        write_grey(folder / f"{number:04}.png", 255)
    return folder


@pytest.fixture
def benchmark(
    evaluated: Evaluated, box: Path, maps: Path, scenes: Path, tmp_path: Path
) -> Benchmark:
    """Function that runs the benchmark with further options and returns the IoU by method."""

    def run(*options: str) -> dict[str, float]:
        evaluated.clear()
        methods = ["--methods", f"Box={box},Maps={maps}", "--data.test", str(scenes)]
        fast = ["--out", str(tmp_path / "out"), "--pictures=false", "--resamples", "0"]
        assert main(["benchmark", *methods, *fast, *options]) == 0
        rows = json.loads((tmp_path / "out" / "metrics.json").read_text())
        return {row["method"]: row["iou"] for row in rows}

    return run


def write_box(path: Path, share: float) -> Path:
    """Write a checkpoint; checkpoints of all shares have the same size and time."""
    torch.save(checkpoint_of(CentreBox(share)), path)
    os.utime(path, (0, 0))
    return path


def write_grey(path: Path, level: int) -> None:
    Image.fromarray(np.full((40, 56), level, np.uint8)).save(path)


def test_nothing_is_evaluated_again_if_nothing_changed(
    benchmark: Benchmark, evaluated: Evaluated
) -> None:
    first = benchmark()
    assert evaluated == ["Box", "Maps"]
    assert benchmark() == first
    assert benchmark("--published") == first
    assert evaluated == []


def test_a_checkpoint_is_known_by_its_content(
    benchmark: Benchmark, evaluated: Evaluated, box: Path
) -> None:
    before = benchmark()
    size = box.stat().st_size
    write_box(box, share=0.9)
    assert box.stat().st_size == size
    after = benchmark()
    assert evaluated == ["Box"]
    assert after["Box"] != before["Box"]
    assert after["Maps"] == before["Maps"]
    write_box(box, share=0.6)
    assert benchmark() == before


def test_changed_maps_are_measured_again(
    benchmark: Benchmark, evaluated: Evaluated, maps: Path
) -> None:
    before = benchmark()
    write_grey(maps / "0001.png", 0)
    after = benchmark()
    assert evaluated == ["Maps"]
    assert after["Maps"] < before["Maps"]


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_changed_dataset_is_measured_again(
    kind: str, benchmark: Benchmark, evaluated: Evaluated, scenes: Path
) -> None:
    before = benchmark()
    file = scenes / kind / "0002.png"
    Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
    after = benchmark()
    assert evaluated == ["Box", "Maps"]
    assert (after != before) == (kind == "masks")


def test_other_options_are_other_results(benchmark: Benchmark, evaluated: Evaluated) -> None:
    benchmark()
    benchmark("--refine", "bilateral")
    assert evaluated == ["Box", "Maps"]


def test_a_killed_evaluation_leaves_nothing_that_looks_finished(
    benchmark: Benchmark, evaluated: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = benchmark()
    finish = subprocess.run

    def killed(command: list[str], **_: Any) -> None:  # noqa: ANN401
        finish(command)
        raise KeyboardInterrupt

    monkeypatch.setattr("sod.evaluation.benchmark.subprocess.run", killed)
    words = ["benchmark", "--methods", f"Box={tmp_path / 'box.ckpt'}", "--protocol", "image-max"]
    words += ["--data.test", str(tmp_path / "own"), "--out", str(tmp_path / "out")]
    with pytest.raises(KeyboardInterrupt):
        main(words)
    assert not (tmp_path / "out" / "metrics.json").exists()
    monkeypatch.setattr("sod.evaluation.benchmark.subprocess.run", finish)
    assert benchmark() == before
    assert evaluated == ["Box"]
    rows = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert {row["protocol"] for row in rows} == {"mean-max"}


def test_files_of_others_in_the_results_are_kept(
    benchmark: Benchmark, maps: Path, tmp_path: Path
) -> None:
    place = tmp_path / "out" / "results" / "Maps" / "own"
    place.mkdir(parents=True)
    (place / "0000.png").write_bytes((maps / "0000.png").read_bytes())
    benchmark()
    benchmark("--refine", "bilateral")
    assert (place / "0000.png").is_file()


@pytest.mark.slow
def test_damaged_or_missing_results_are_made_again(
    benchmark: Benchmark, evaluated: Evaluated, tmp_path: Path
) -> None:
    before = benchmark()
    results = tmp_path / "out" / "results"
    (results / "Box" / "own" / "identity.json").write_text("{")
    (results / "Maps" / "own" / "curves.json").unlink()
    assert benchmark() == before
    assert evaluated == ["Box", "Maps"]


def test_two_datasets_of_one_name_are_refused(
    benchmark: Benchmark, scenes: Path, tmp_path: Path, errors: Callable[[], str]
) -> None:
    words = ["benchmark", f"--methods={tmp_path / 'box.ckpt'}", "--out", str(tmp_path / "out")]
    assert main([*words, "--data.test", f"{scenes},{scenes}"]) == 2
    assert "two datasets are called 'own'" in errors()


def test_files_that_a_config_names_belong_to_the_method(tmp_path: Path) -> None:
    weights, teacher, store = tmp_path / "w.pth", tmp_path / "teacher.yaml", tmp_path / "store"
    weights.write_text("1")
    teacher.write_text(yaml.safe_dump({"model": {"init_args": {"weights": str(weights)}}}))
    store.mkdir()
    (store / "a.png").write_text("1")
    config = tmp_path / "config.yaml"

    def identity(arguments: dict[str, Any]) -> dict[str, Any]:
        config.write_text(yaml.safe_dump({"model": {"init_args": arguments}}))
        return identity_of(("--config", str(config)), NO_DATA, [])

    for arguments, file in (
        ({"backbone": {"weights": str(weights)}}, weights),
        ({"teachers": [f"{teacher}+{teacher}"]}, teacher),
        ({"teachers": [str(teacher)]}, weights),
        ({"teachers": [str(store)]}, store / "a.png"),
        ({}, config),
    ):
        before = identity(arguments)
        assert identity(arguments) == before
        file.write_text(file.read_text() + "\n")
        after = identity_of(("--config", str(config)), NO_DATA, [])
        assert after["method"] != before["method"], arguments
        assert {**after, "method": 0} == {**before, "method": 0}


def test_a_file_that_vanished_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SodError, match=r"gone\.ckpt"):
        identity_of(("--ckpt", str(tmp_path / "gone.ckpt")), NO_DATA, [])
