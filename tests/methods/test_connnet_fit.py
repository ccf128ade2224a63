"""ConnNet from the command line: CNN backbones, and several processes that label together."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.places import CONFIGS
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sod.cli import main
from sod.data.synthetic import write_scenes
from sod.engine.checkpoint import read_checkpoint

SCENES = 8


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "own"
    write_scenes(folder, count=SCENES, size=48, seed=3)
    for mask in (folder / "masks").iterdir():
        mask.write_bytes(b"no label-free training may open this")
    return folder


def arguments(train: str, out: Path, *more: str) -> list[str]:
    return [
        *("fit", "--config", str(CONFIGS / "connnet.yaml"), f"--data.train={train}"),
        *(f"--out={out}", "--model.backbone.weights=null", "--data.num_workers=0"),
        *("--data.size=64", "--data.val_images=0", "--trainer.val_check_interval=null"),
        *("--trainer.accelerator=cpu", "--trainer.log_every_n_steps=1", *more),
    ]


def losses(out: Path) -> list[float]:
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    return [event.value for event in events.Scalars("train/loss")]


@pytest.mark.parametrize(
    "network", [{}, {"deep_supervision": "true", "resolution": "image"}], ids=["grid", "deep-image"]
)
def test_a_cnn_trains_and_its_checkpoint_is_enough(network: dict[str, str], tmp_path: Path) -> None:
    out, test = tmp_path / "run", tmp_path / "test"
    options = [f"--model.network.{name}={value}" for name, value in network.items()]
    options += [
        "--model.backbone.name=resnet18",
        f"--model.labels.teacher={CONFIGS / 'centre_box.yaml'}",
        f"--data.root={tmp_path}",
        "--data.batch_size=2",
        "--trainer.max_steps=3",
    ]
    assert main(arguments("builtin-4-64", out, *options)) == 0
    assert len(losses(out)) == 3
    assert np.isfinite(losses(out)).all()
    state = read_checkpoint(out / "last.ckpt")["state_dict"]
    assert any(name.startswith("network.pyramid.body.layer4") for name in state)
    write_scenes(test, count=2, size=70, seed=6)
    own = ["--data.num_workers=0", "--trainer.accelerator=cpu", f"--ckpt={out / 'last.ckpt'}"]
    assert (
        main(
            [
                "evaluate",
                *own,
                "--pictures=false",
                f"--data.test={test}",
                f"--out={tmp_path / 'eval'}",
            ]
        )
        == 0
    )
    (row,) = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert row["images"] == 2
    wanted = ["--output=map,instances", f"--source={test / 'images'}", f"--out={tmp_path / 'cut'}"]
    assert main(["predict", *own, *wanted]) == 0
    for kind in ("map", "instances"):
        files = sorted((tmp_path / "cut" / kind).glob("*.png"))
        assert [Image.open(file).size for file in files] == [(70, 70)] * 2
    masks, maps = test / "masks", out.parent / "cut" / "map"
    pairs = [[np.asarray(Image.open(x / f"{n:04}.png")) for x in (masks, maps)] for n in range(2)]
    own = [np.abs((mask > 0) - saliency / 255).mean() for mask, saliency in pairs]
    assert row["mae"] == pytest.approx(np.mean(own), abs=0.5 / 255)


def test_a_cnn_starts_from_its_checkpoint(tmp_path: Path) -> None:
    """What is trained is stored: two loads of one checkpoint give the same maps."""
    out = tmp_path / "run"
    options = ["--model.backbone.name=resnet18", "--model.labels.kind=masks"]
    options += ["--data.supervised=true", f"--data.root={tmp_path}", "--data.batch_size=2"]
    assert main(arguments("builtin-4-64", out, *options, "--trainer.max_steps=2")) == 0
    images = next(tmp_path.glob("builtin-*")) / "images"
    maps = []
    for name in ("first", "second"):
        wanted = [f"--source={images}", f"--out={tmp_path / name}", "--output=map"]
        assert main(["predict", f"--ckpt={out / 'last.ckpt'}", *wanted]) == 0
        files = sorted((tmp_path / name / "map").iterdir())
        maps.append(np.stack([np.asarray(Image.open(file)) for file in files]))
    assert np.array_equal(*maps)
    assert maps[0].std() > 0


def run(words: list[str]) -> int:
    # As many threads as here: another number adds up in another order.
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.run([sys.executable, "-m", "sod", *words], env=environment).returncode


def labels(out: Path) -> list[dict[str, object]]:
    assert not list((out / "pseudo").glob("manifest.*.jsonl"))  # all have been joined
    lines = (out / "pseudo" / "manifest.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_two_processes_label_together_and_train_as_one(scenes: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    options = [
        "--model.backbone.name=descriptor",
        "--model.labels.selection.keep=1",
        "--trainer.max_steps=4",
    ]
    assert main(arguments(str(scenes), one, *options, "--data.batch_size=4")) == 0
    options += ["--data.batch_size=2", "--trainer.devices=2", "--trainer.strategy=ddp"]
    assert run(arguments(str(scenes), two, *options)) == 0
    names = sorted(path.stem for path in (scenes / "images").iterdir())
    assert [label["name"] for label in labels(two)] == names
    assert labels(two) == labels(one)  # the same maps by their checksums, and the same scores
    assert losses(one)[-1] < losses(one)[0]
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)
    together = read_checkpoint(two / "last.ckpt")["state_dict"]
    for name, value in read_checkpoint(one / "last.ckpt")["state_dict"].items():
        torch.testing.assert_close(together[name], value, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_two_processes_fill_a_store_and_go_on_where_it_broke_off(
    scenes: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store" / "pseudo"
    words = ["predict", "--config", str(CONFIGS / "centre_box.yaml"), "--data.num_workers=0"]
    words += [f"--source={scenes / 'images'}", f"--pseudo={store}", "--trainer.accelerator=cpu"]
    assert main(words) == 0
    whole = labels(store.parent)
    kept = {path.name: path.stat().st_mtime_ns for path in store.glob("*.png")}
    broken = [whole[0]["name"], whole[3]["name"], whole[4]["name"]]
    for name in broken:
        (store / f"{name}.png").unlink()
    assert run([*words, "--trainer.devices=2", "--trainer.strategy=ddp"]) == 0
    assert labels(store.parent) == whole
    for path in store.glob("*.png"):
        assert (path.stat().st_mtime_ns == kept[path.name]) == (path.stem not in broken)
