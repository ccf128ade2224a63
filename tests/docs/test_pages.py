"""The pages for beginners, run from top to bottom by a reader without a network."""

import shlex
import shutil
from fractions import Fraction
from pathlib import Path

import pytest
from helpers.documents import blocks, commands
from helpers.places import ROOT
from PIL import Image

from sod.cli import main
from sod.data.synthetic import make_scene, write_scenes
from sod.prediction.video_files import VideoInfo, VideoWriter

DOCS = ROOT / "docs"
SHORT = "--data.size=48 --data.batch_size=2 --data.val_images=2 --data.num_workers=0"
SHORT += " --trainer.max_steps=2 --trainer.val_check_interval=1"
LAYOUTS = {
    "DUTS-TR": ("DUTS-TR-Image", "DUTS-TR-Mask"),
    "DUTS-TE": ("DUTS-TE-Image", "DUTS-TE-Mask"),
    "ECSSD": ("images", "ground_truth_mask"),
    "DUT-OMRON": ("DUT-OMRON-image", "pixelwiseGT-new-PNG"),
}
ELSEWHERE = {"camera", "discover", "demo", "VOCdevkit/VOC2007"}
"""Words of commands that need a camera, an archive or a browser: other tests run these."""
FREE = ["--model.backbone.name=descriptor", "--model.backbone.weights=null"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder: photos, and a few with masks."""
    monkeypatch.chdir(tmp_path)
    write_scenes(tmp_path / "labelled", count=2, size=(48, 64), seed=1)
    shutil.copytree(tmp_path / "labelled" / "images", tmp_path / "photos")
    return tmp_path


@pytest.fixture
def tasks(folder: Path) -> Path:
    """A reader's folder for the pages of tasks: benchmarks, a run, maps, a list and a clip."""
    for name, places in LAYOUTS.items():
        for part, place in zip(("images", "masks"), places, strict=True):
            shutil.copytree(folder / "labelled" / part, folder / "DIR" / name / place)
    run(["fit", "--config", "demo_peekaboo", "--data.train", "photos", "--out", "run"])
    shutil.copy("run/last.ckpt", "run/best.ckpt")
    run(["predict", "--model=CentreBox", "--source", "photos", "--output", "map", "--out", "o"])
    shutil.copytree("o/map", "results")
    Path("photos", "trip").mkdir()
    Image.open("photos/0001.png").save("photos/trip/a.jpg")
    Path("list.txt").write_text("photos/0000.png\n")
    with VideoWriter(folder / "clip.mp4", ".mp4", VideoInfo(Fraction(10), 4)) as writer:
        for scene in range(4):
            writer.write(make_scene(scene, (48, 64))[0])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", ["predict", "train", "tune", "calibrate", "evaluate", "export", "video"]
)
def test_the_commands_of_a_task_run(page: str, tasks: Path) -> None:
    pytest.importorskip("av", reason="pip install 'sod[video]'")
    if page == "train":
        shutil.rmtree("run")  # the page makes it
    for words in commands(DOCS / "tasks" / f"{page}.md"):
        if not ELSEWHERE & set(words):
            run(words)


def run(words: list[str]) -> None:
    """Run a command, with features that need no weights and few steps of training."""
    named = {"tokencut", "peekaboo_plus", "TokenCut=tokencut,box=centre_box,other=results"}
    weights = FREE if named & set(words) else []
    if words[0] in {"tune", "benchmark"}:
        words, weights = without_weights(words), []
    short = shlex.split(SHORT) if words[0] == "fit" else []
    found = {0, 1} if words[:2] == ["data", "check"] else {0}  # a benchmark has more images
    assert main([*words, *weights, *short]) in found, " ".join(words)


def without_weights(words: list[str]) -> list[str]:
    """Replace a backbone, or the config of one, by features that need no weights."""
    free = {"vit_small_patch16_224.dino": "descriptor"}
    changed = [free.get(word, word.replace("TokenCut=tokencut", "TokenCut=demo")) for word in words]
    second = ["--second.weights=null"] if "--second.name" in words else []
    return [*changed, *FREE[1:], *second] if words[0] == "tune" else changed


@pytest.mark.slow
@pytest.mark.parametrize("page", ["index", "walk", "tasks/own-method"])
def test_the_commands_of_a_page_run_in_order(
    page: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in commands(DOCS / f"{page}.md"):
        run(words)
        if words[0] == "new":
            monkeypatch.chdir(folder / words[2])


@pytest.mark.slow
def test_the_python_of_the_pages_runs(folder: Path) -> None:
    run(["fit", "--config", "demo_peekaboo", "--data.train", "photos", "--out", "run"])
    shutil.copy("run/last.ckpt", "run/best.ckpt")
    run(["predict", "--config", "demo", "--source", "photos", "--output", "map", "--out", "o"])
    shutil.copytree("o/map", "maps")
    shutil.copytree("labelled/masks", "masks")
    space: dict[str, object] = {}
    for block in blocks(DOCS / "tasks" / "python.md", "python"):
        exec(compile(block, "python.md", "exec"), space)
    assert Path("cut.png").is_file()
    pytest.importorskip("onnxruntime", reason="pip install 'sod[export]'")
    words = ["export", "--ckpt", "run/best.ckpt", "--out", "model", "--onnx"]
    run(words)
    (script,) = blocks(DOCS / "tasks" / "export.md", "python")
    exec(compile(script, "export.md", "exec"), {})
    assert Path("map.png").is_file()


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    build = pytest.importorskip("mkdocs.commands.build", reason="pip install 'sod[docs]'")
    from mkdocs.config import load_config

    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True)
    build.build(config)
    assert (tmp_path / "site" / "reference" / "index.html").is_file()
