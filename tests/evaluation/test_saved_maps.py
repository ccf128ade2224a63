import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sod.cli import main

NO_WORKERS = ["--data.num_workers", "0"]
FAST = ["--pictures=false", "--resamples=0"]


def evaluate(maps: str, scenes: Path, out: Path, *more: str) -> tuple[int, list[dict[str, object]]]:
    arguments = [
        "--maps",
        maps,
        "--data.test",
        str(scenes),
        "--out",
        str(out),
        *NO_WORKERS,
        *FAST,
        *more,
    ]
    code = main(["evaluate", *arguments])
    return code, json.loads((out / "metrics.json").read_text())


def test_the_masks_as_maps_are_perfect(scenes: Path, tmp_path: Path) -> None:
    code, rows = evaluate(str(scenes / "masks"), scenes, tmp_path / "out")
    assert code == 0
    assert rows[0]["method"] == "masks"
    assert rows[0]["images"] == 3
    assert rows[0]["iou"] == 1
    assert rows[0]["mae"] == 0
    assert "seconds_per_image" not in rows[0]


def test_several_folders_side_by_side_and_every_format(scenes: Path, tmp_path: Path) -> None:
    perfect, inverse = tmp_path / "perfect", tmp_path / "inverse" / "own"
    perfect.mkdir()
    inverse.mkdir(parents=True)
    for file in (scenes / "masks").iterdir():
        mask = np.asarray(Image.open(file).convert("L"))
        np.save(perfect / f"{file.stem}.npy", (mask / 255).astype(np.float32))
        Image.fromarray(255 - mask).save(inverse / file.name)
    folders = f"{perfect},{tmp_path / 'inverse'}"
    code, rows = evaluate(folders, scenes, tmp_path / "out", "--refine", "none,bilateral")
    assert code == 0
    iou = {(row["method"], row["refine"]): row["iou"] for row in rows}
    assert iou["perfect", "none"] == 1
    assert iou["inverse", "none"] == 0
    assert len(iou) == 4
    assert (tmp_path / "out" / "grid.png").stat().st_size > 1000


def test_missing_extra_and_resized_maps_are_listed(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = tmp_path / "maps"
    shutil.copytree(scenes / "masks", maps)
    (maps / "0000.png").unlink()
    Image.new("L", (56, 40)).save(maps / "stranger.png")
    small = Image.open(maps / "0001.png").resize((28, 20), Image.Resampling.NEAREST)
    small.save(maps / "0001.png")
    code, rows = evaluate(str(maps), scenes, tmp_path / "out")
    assert code == 1
    assert rows[0]["images"] == 2
    text = capsys.readouterr().out
    assert "1 without a map, not measured: 0000" in text
    assert "1 maps without an image: stranger" in text
    assert "1 maps of another size, resized: 0001" in text


def test_a_folder_without_maps_is_a_mistake(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    arguments = ["--data.test", str(scenes), "--out", str(tmp_path / "out"), *NO_WORKERS]
    assert main(["evaluate", "--maps", str(tmp_path / "empty"), *arguments]) == 2
    assert "holds no map for own" in capsys.readouterr().err
    assert main(["evaluate", "--maps", str(tmp_path / "nowhere"), *arguments]) == 2
    assert "there is no such folder" in capsys.readouterr().err
