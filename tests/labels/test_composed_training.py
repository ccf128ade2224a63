"""Composed training images (`data.augmentation.paste`, `mix`, `empty`) from the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import training_runs
from helpers.places import CONFIGS

from sod.cli import main

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("one_thread")]

COMPOSED = [f"--data.augmentation.{name}=0.3" for name in ("paste", "mix", "empty")]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training_runs.unlabelled_scenes(tmp_path_factory.mktemp("scenes") / "own")


def student(scenes: Path, out: Path, steps: int, *more: str) -> list[str]:
    return [
        *("fit", "--model=Student", "--data.train", str(scenes), "--out", str(out)),
        "--model.network.kind=unet",
        *("--model.network.width=4", "--model.network.size=32", "--data.size=32"),
        f"--model.labels.teacher={CONFIGS / 'centre_box.yaml'}",
        *("--model.labels.refine=none", "--model.labels.weight_images=true"),
        *("--data.num_workers=0", "--data.batch_size=4", "--data.val_images=0", "--save_every=1"),
        *("--trainer.accelerator=cpu", "--trainer.max_epochs=-1", f"--trainer.max_steps={steps}"),
        *("--trainer.enable_model_summary=false", "--trainer.enable_progress_bar=false"),
        *("--model.optimiser.schedule=step", "--seed_everything=0", *more),
    ]


def test_a_composed_training_does_not_depend_on_workers_or_interruptions(
    scenes: Path, tmp_path: Path
) -> None:
    outs = [tmp_path / name for name in ("whole", "resumed")]
    assert main(student(scenes, outs[0], 4, *COMPOSED)) == 0
    assert main(student(scenes, outs[1], 2, *COMPOSED)) == 0
    assert main(student(scenes, outs[1], 4, *COMPOSED, "--data.num_workers=2")) == 0
    whole, resumed = (training_runs.weights(out) for out in outs)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_peekaboo_refuses_what_needs_masks(
    scenes: Path, tmp_path: Path, errors: Callable[[], str]
) -> None:
    for option in COMPOSED:
        assert main(training_runs.arguments(scenes, tmp_path / "run", option)) == 2
        line = errors()
        assert f"{option[2:].partition('=')[0]}: needs a (pseudo-)mask of each image" in line
        assert not (tmp_path / "run").exists()
