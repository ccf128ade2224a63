"""The pages for beginners, run from top to bottom by a reader without a network."""

import shlex
import shutil
from pathlib import Path

import pytest
from helpers.documents import blocks, commands
from helpers.places import ROOT

from sod.cli import main
from sod.data.synthetic import write_scenes

DOCS = ROOT / "docs"
SHORT = "--data.size=48 --data.batch_size=2 --data.val_images=2 --data.num_workers=0"
SHORT += " --trainer.max_steps=2 --trainer.val_check_interval=1"
FREE = ["--model.backbone.name=descriptor", "--model.backbone.weights=null"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder: photos, and a few with masks."""
    monkeypatch.chdir(tmp_path)
    write_scenes(tmp_path / "labelled", count=2, size=(48, 64), seed=1)
    shutil.copytree(tmp_path / "labelled" / "images", tmp_path / "photos")
    return tmp_path


def run(words: list[str]) -> None:
    """Run a command, with features that need no weights and few steps of training."""
    weights = FREE if {"tokencut", "peekaboo_plus"} & set(words) else []
    short = shlex.split(SHORT) if words[0] == "fit" else []
    assert main([*words, *weights, *short]) == 0, " ".join(words)


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
