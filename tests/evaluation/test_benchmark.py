import json
from pathlib import Path

import pytest
from helpers.places import CONFIGS

from sod.cli import main


def test_benchmark_joins_methods_and_repeats_nothing(scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    methods = f"Box={CONFIGS / 'centre_box.yaml'},Truth={scenes / 'masks'}"
    arguments = ["--methods", methods, "--data.test", str(scenes), "--out", str(out)]
    assert main(["benchmark", *arguments]) == 0
    rows = json.loads((out / "metrics.json").read_text())
    assert [row["method"] for row in rows] == ["Box", "Truth"]
    assert rows[1]["iou"] == 1
    assert 0 < rows[0]["iou"] < 1
    assert rows[0]["peak_memory_mb"] > 50
    for name in ["metrics.tex", "curves.png", "grid.png", "per_image.csv"]:
        assert (out / name).stat().st_size > 100
    times = {path: path.stat().st_mtime_ns for path in out.glob("results/*/*/metrics.json")}
    assert len(times) == 2
    (out / "results" / "Truth" / "own" / "identity.json").unlink()  # as if interrupted
    assert main(["benchmark", *arguments]) == 0
    again = {path: path.stat().st_mtime_ns for path in times}
    changed = {path.parts[-3] for path in times if again[path] != times[path]}
    assert changed == {"Truth"}


def test_discovery_counts_boxes_that_hit(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = tmp_path / "boxes.csv"
    hit, miss = "0,0,56,40", "0,0,3,3"  # a box of 0.9 x 0.9 covers 0.81 of the whole image
    boxes.write_text(f"image,x0,y0,x1,y1\n0000,{hit}\n0001,{miss}\n0002,{miss}\n0002,{hit}\n")
    arguments = ["--config", str(CONFIGS / "centre_box.yaml"), "--model.share", "0.9"]
    arguments += ["--boxes", str(boxes), "--images", str(scenes / "images")]
    arguments += ["--out", str(tmp_path / "out"), "--data.num_workers", "0"]
    assert main(["discover", *arguments]) == 0
    row = json.loads((tmp_path / "out" / "corloc.json").read_text())
    assert row["corloc"] == pytest.approx(2 / 3)
    assert row["images"] == 3
    assert "CorLoc 0.667" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ("absent.yaml", "--methods absent.yaml: there is no such file"),
        ("absent.ckpt", "there is no such config, checkpoint or folder"),
        (f"{CONFIGS / 'demo.yaml'},{CONFIGS / 'demo.yaml'}", "'demo' occurs twice"),
        ("", "names none"),
    ],
)
def test_mistakes_in_the_list_of_methods(
    methods: str, message: str, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", f"--methods={methods}", "--data.test", str(scenes)]) == 2
    assert message in capsys.readouterr().err
