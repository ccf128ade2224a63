"""Groups of images through the commands, in one process and in two."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.forks import in_two_processes
from PIL import Image

from sod.cli import main

METHOD = ["--model=CoSaliency", "--model.backbone.name=descriptor", "--model.backbone.weights=null"]
SHORT = ["--data.num_workers=0", "--resamples=0", "--pictures=false"]


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set of three groups: a square of one colour, and one of another in each photo."""
    root, rng = tmp_path_factory.mktemp("groups") / "set", np.random.default_rng(0)
    for group, colour, count in (("a", 0, 3), ("b", 1, 2), ("c", 2, 2)):
        for number in range(count):
            photo = rng.integers(110, 140, (48, 56, 3), dtype=np.uint8)
            mask = np.zeros((48, 56), np.uint8)
            photo[16:40, 4:28], mask[16:40, 4:28] = np.eye(3)[colour] * 255, 255
            photo[4:24, 32:52] = rng.integers(0, 256, 3)
            for kind, pixels in (("image", photo), ("gt", mask)):
                path = root / kind / group / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return root


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as file:
        return {row["group"]: row for row in csv.DictReader(file)}


def test_groups_are_checked_evaluated_and_predicted(groups: Path, tmp_path: Path) -> None:
    assert main(["data", "check", "--data.name", str(groups)]) == 0
    words = ["evaluate", *METHOD, *SHORT, "--data.test", str(groups), "--save-maps"]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    found = rows(tmp_path / "one/per_group.csv")
    assert {name: row["images"] for name, row in found.items()} == {
        **{"a": "3", "b": "2", "c": "2"},
        "mean of groups": "7",
    }
    words = ["predict", *METHOD, "--data.num_workers=0", "--output=map"]
    assert main([*words, "--source", str(groups / "image"), "--out", str(tmp_path / "p")]) == 0
    for path in sorted((groups / "image").rglob("*.png")):
        name = path.relative_to(groups / "image")
        saved = np.asarray(Image.open(tmp_path / "one/maps/CoSaliency/set" / name))
        assert (saved == np.asarray(Image.open(tmp_path / "p/map" / name))).all()


@pytest.mark.usefixtures("one_thread")
def test_two_processes_measure_groups_as_one_does(groups: Path, tmp_path: Path) -> None:
    words = ["evaluate", *METHOD, *SHORT, "--data.test", str(groups)]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    in_two_processes([*words, "--out", str(tmp_path / "two")], tmp_path / "log")
    one, two = rows(tmp_path / "one/per_group.csv"), rows(tmp_path / "two/per_group.csv")
    assert one.keys() == two.keys()
    for name, row in one.items():
        assert row["images"] == two[name]["images"]
        assert float(row["iou"]) == pytest.approx(float(two[name]["iou"]), abs=1e-12)


@pytest.mark.usefixtures("one_thread")
def test_two_processes_train_on_groups_with_few_masks(groups: Path, tmp_path: Path) -> None:
    words = ["fit", "--model=LearnedCoSaliency", *METHOD[1:], "--data.train", str(groups)]
    words += ["--data.size=48", "--data.batch_size=2", "--data.supervised=true"]
    words += ["--model.labelled=1", "--trainer.max_steps=3", "--data.num_workers=0"]
    words += ["--trainer.val_check_interval=2", "--trainer.check_val_every_n_epoch=null"]
    in_two_processes([*words, "--out", str(tmp_path / "run")], tmp_path / "log")
    assert (tmp_path / "run/best.ckpt").is_file()


@pytest.mark.slow
def test_a_benchmark_measures_groups(groups: Path, tmp_path: Path) -> None:
    config = tmp_path / "cosaliency.yaml"
    backbone = "{name: descriptor, weights: null}"
    config.write_text(f"model: {{class_path: CoSaliency, init_args: {{backbone: {backbone}}}}}\n")
    words = ["benchmark", "--methods", f"Group={config},Truth={groups / 'gt'}", "--data.test"]
    assert main([*words, str(groups), "--out", str(tmp_path / "out")]) == 0
    measured = json.loads((tmp_path / "out/metrics.json").read_text())
    assert [row["method"] for row in measured] == ["Group", "Truth"]
    assert measured[0]["images"] == 7
    assert measured[1]["iou"] == 1


@pytest.mark.slow
def test_a_student_is_trained_on_the_labels_of_groups(groups: Path, tmp_path: Path) -> None:
    store, free = str(tmp_path / "store"), METHOD[1:]
    source = ["--source", str(groups / "image"), "--pseudo", store]
    assert main(["predict", *METHOD, "--data.num_workers=0", *source]) == 0
    words = ["fit", "--model=ConnNet", *free, "--model.labels.store", store, "--data.size=48"]
    words += ["--data.train", str(groups), "--data.num_workers=0", "--data.batch_size=2"]
    words += ["--data.val_images=0", "--trainer.val_check_interval=null", "--trainer.max_steps=2"]
    words += ["--model.network.width=4", "--model.network.relation=false"]
    assert main([*words, "--model.network.layers=1", "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run/last.ckpt").is_file()
