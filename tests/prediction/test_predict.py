"""`sod predict`: outputs, and going on where an earlier run stopped."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sod.cli import main
from sod.core.stopping import Interrupted
from sod.data.synthetic import write_scenes

Errors = Callable[[], str]
BOX = ["predict", "--model", "CentreBox", "--data.num_workers", "0"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_scenes(tmp_path / "own", count=3, size=(40, 60), seed=1)
    return tmp_path / "own" / "images"


def test_every_output_by_hand(photos: Path, tmp_path: Path) -> None:
    words = [*BOX, "--model.share", "0.5", "--source", str(photos), "--out", str(tmp_path / "o")]
    kinds = "map,mask,overlay,cutout,boxes,coco"
    assert main([*words, "--output", kinds, "--crop", "--margin", "0", "--background=white"]) == 0
    mask = np.asarray(Image.open(tmp_path / "o" / "mask" / "0001.png"))
    assert sorted(np.unique(mask)) == [0, 255]
    assert (mask > 0).sum() == 20 * 30
    cutout = Image.open(tmp_path / "o" / "cutout" / "0001.png")
    assert (cutout.mode, cutout.size) == ("RGB", (30, 20))
    pixels = np.asarray(Image.open(photos / "0001.png").convert("RGB"))
    np.testing.assert_array_equal(np.asarray(cutout), pixels[10:30, 15:45])
    (box,) = json.loads((tmp_path / "o" / "boxes" / "0001.json").read_text())["objects"]
    assert box == {"box": [15, 10, 45, 30], "area": 600, "score": 1.0}
    annotations = json.loads((tmp_path / "o" / "annotations.json").read_text())
    assert [row["bbox"] for row in annotations["annotations"]] == [[15, 10, 30, 20]] * 3


def test_a_resumed_run_makes_what_is_missing(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], errors: Errors
) -> None:
    out = tmp_path / "o"
    words = [*BOX, "--source", str(photos), "--out", str(out), "--output", "map,boxes"]
    assert main(words) == 0
    (out / "map" / "0001.png").unlink()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("000[02].*")}
    assert main([*words, "--resume"]) == 0
    assert "2 of 3 images are done already" in capsys.readouterr().out
    assert (out / "map" / "0001.png").is_file()
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("000[02].*")}
    assert main([*words, "--resume"]) == 0
    capsys.readouterr()
    assert main([*words, "--resume", "--model.share", "0.3", "--threshold", "0.4"]) == 2
    assert "made with another arguments and threshold" in errors()


def test_the_device_is_named(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*BOX, "--source", str(photos), "--out", str(tmp_path / "o"), "--output", "map"]
    assert main([*words, "--trainer.accelerator", "cpu"]) == 0
    assert "3 of 3 images on the CPU: map in" in capsys.readouterr().out


def test_the_files_do_not_depend_on_threads_and_windows(
    photos: Path, tmp_path: Path, errors: Errors, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "0000b.png").write_bytes(b"no image")
    words = [*BOX, "--source", str(photos), "--refine", "bilateral", "--output", "map,cutout"]
    contents = []
    Image.new("RGB", (50, 30)).save(photos / "0000c.png")
    for threads, together in (("0", "1"), ("1", "1"), ("3", "1"), ("0", "2"), ("3", "16")):
        out = tmp_path / f"{threads}-{together}"
        more = ["--threads", threads, "--data.eval_batch_size", together]
        assert main([*words, "--out", str(out), *more]) == 1
        assert "0000b.png" in capsys.readouterr().out
        files = sorted(out.rglob("*.png"))
        contents.append([(file.relative_to(out), file.read_bytes()) for file in files])
    assert len(contents[0]) == 8
    assert all(other == contents[0] for other in contents[1:])
    assert main([*words, "--threads", "-1"]) == 2
    assert "--threads: -1 is negative" in errors()


def test_an_interrupted_prediction_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise Interrupted(signal.SIGINT)

    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    monkeypatch.setattr(sys.modules["sod.cli.commands.predict"], "_predict_images", interrupted)
    words = ["--model=CentreBox", "--source", str(tmp_path), "--out", str(tmp_path / "cut")]
    assert main(["predict", *words]) == 130
    assert "The same command with --resume goes on." in capsys.readouterr().err


def test_three_shards_write_what_one_run_writes(
    photos: Path, tmp_path: Path, errors: Errors
) -> None:
    words = [*BOX, "--source", str(photos), "--output", "map,coco"]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    out, store = tmp_path / "parts", tmp_path / "store"
    for number in (3, 1, 2):
        shard = ["--shard", f"{number}/3"]
        assert main([*words, "--out", str(out), *shard]) == 0
        assert len([*out.rglob("*.png")]) == [0, 2, 3, 1][number]
        assert not (out / "annotations.json").exists()
        assert main([*words, "--pseudo", str(store), *shard]) == 0
    assert len([*store.glob("manifest.[0-9]*")]) == 3, "no run takes the lines of another"
    assert main([*words, "--out", str(out), "--resume"]) == 0
    assert main([*words, "--pseudo", str(store)]) == 0
    assert [path.name for path in store.glob("manifest*")] == ["manifest.jsonl"]
    assert len((store / "manifest.jsonl").read_text().splitlines()) == 3
    names = [path.relative_to(out) for path in sorted(out.rglob("*.[pj]*")) if path.is_file()]
    for name in names:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len(names) == 3 + 3 + 2
    assert main([*words, "--out", str(out), "--shard", "4/3"]) == 2
    assert "--shard 4/3: give NUMBER/COUNT" in errors()
