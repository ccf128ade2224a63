"""Prediction and labelling in two processes, with fewer images than processes too."""

import shutil
from pathlib import Path

import pytest
from helpers.forks import in_two_processes
from helpers.places import CONFIGS

from sod.cli import main
from sod.data.synthetic import write_scenes

DEMO = ["predict", "--config", str(CONFIGS / "demo.yaml"), "--data.num_workers=0"]


def files(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("count", [1, 3])
def test_two_processes_write_the_files_of_one(count: int, tmp_path: Path) -> None:
    write_scenes(tmp_path / "own", count=count, size=64, seed=3)
    words = [*DEMO, "--source", str(tmp_path / "own" / "images")]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    text = in_two_processes([*words, "--out", str(tmp_path / "two")], tmp_path / "log")
    assert f"{count} of {count} images" in text
    assert len(files(tmp_path / "one")) == 3 * count + 1  # and prediction.json
    assert files(tmp_path / "two") == files(tmp_path / "one")


def test_two_processes_label_the_one_image_that_is_missing(tmp_path: Path) -> None:
    write_scenes(tmp_path / "own", count=3, size=64, seed=3)
    words = [*DEMO, "--source", str(tmp_path / "own" / "images"), "--pseudo"]
    assert main([*words, str(tmp_path / "one")]) == 0
    (tmp_path / "two.source").mkdir()
    for number in (0, 1):
        name = f"000{number}.png"
        shutil.copy(tmp_path / "own" / "images" / name, tmp_path / "two.source" / name)
    first = [*DEMO, "--source", str(tmp_path / "two.source"), "--pseudo", str(tmp_path / "two")]
    assert main(first) == 0
    text = in_two_processes([*words, str(tmp_path / "two")], tmp_path / "log")
    assert "1 pseudo-masks made, 3 images" in text
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert set(one) == set(two)
    assert {k: v for k, v in one.items() if k.endswith(".png")} == {
        k: v for k, v in two.items() if k.endswith(".png")
    }
