"""Generations and composed training images."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from sod.data.datamodule import SaliencyData
from sod.data.transforms import Augmentation
from sod.engine.trainer import FitOptions
from sod.engine.training import Training
from sod.methods.generations.ensemble import Generations
from sod.methods.generations.pipeline import _stated
from sod.nn.backbones.build import BackboneConfig

OLD = {"crop": 0.5, "rescale": None, "flip": 0.5, "jitter": 0.2, "grey": 0.0, "blur": 0.0}
"""The augmentation of a record that was written before there was any other option."""


def test_a_record_states_only_what_is_set() -> None:
    assert _stated(Augmentation()) == OLD
    assert _stated(Augmentation(paste=0.3, donors=0.2)) == OLD | {"paste": 0.3, "donors": 0.2}
    assert asdict(Augmentation()).keys() - OLD.keys() == {
        *("paste", "paste_area", "paste_most", "mix", "empty", "donors")
    }


def test_the_check_passes_before_there_are_labels(tmp_path: Path) -> None:
    def build_trainer(callbacks: list[pl.Callback], **options: Any) -> pl.Trainer:  # noqa: ANN401
        return pl.Trainer(accelerator="cpu", logger=False, callbacks=callbacks, **options)

    data = SaliencyData(
        root=str(tmp_path), train="builtin-4-32", size=16, batch_size=2, num_workers=0,
        augmentation=Augmentation(paste=0.5),
    )  # fmt: skip
    training = Training(
        name="x", data=data, build_trainer=build_trainer, options=FitOptions(), out=None,
        ckpt=None, save_config=lambda _: None, print_line=lambda _: None,
    )  # fmt: skip
    Generations(BackboneConfig(name="descriptor", weights=None)).check_training(training)
