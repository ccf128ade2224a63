"""The contract of a method as a test class: subclass it, name the method, run pytest."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from sod.cli import main
from sod.data.synthetic import write_scenes
from sod.engine.building import build_method
from sod.engine.checkpoint import checkpoint_of, load_checkpoint
from sod.engine.method import Method
from sod.engine.registry import full_name

PRIMITIVES = (str, int, float, bool, list, dict, type(None))
SIZES = ((32, 32), (1, 1), (37, 53), (200, 9), (8, 300))


class MethodContract:
    """What every method keeps: its maps, its arguments, its checkpoints and the command line.

    A subclass whose name begins with ``Test`` is run by pytest::

        class TestBlob(MethodContract):
            method = Blob

    Attributes:
        method: The method's class.
        arguments: Arguments for the tests, as in a config, so that they are quick and need no
            weights. A parameter ``backbone`` gets the weight-free descriptor by default.
        train: Options of `sod fit` for the test that trains two steps.
    """

    method: ClassVar[type[Method]]
    arguments: ClassVar[Mapping[str, Any]] = {}
    train: ClassVar[tuple[str, ...]] = ()

    def build(self) -> Method:
        """Build the method in evaluation mode."""
        defaults = {"backbone": {"name": "descriptor", "weights": None}}
        built = build_method(full_name(self.method), self.arguments, defaults, "contract")
        return built.eval()

    def test_maps_are_finite_in_range_and_as_large_as_the_image(self) -> None:
        """Any height and width give float32 in [0, 1] of that size; images do not mix."""
        method = self.build()
        for size in SIZES:
            images = noise(2, *size)
            saliency, alone = predict(method, images), predict(method, images[1:])
            check_map(saliency, (2, 1, *size))
            torch.testing.assert_close(saliency[1:], alone, atol=1e-5, rtol=0)

    def test_a_large_image(self) -> None:
        """An image of 1024 x 768 pixels needs no other treatment."""
        check_map(predict(self.build(), noise(1, 1024, 768)), (1, 1, 1024, 768))

    def test_constant_images_give_a_defined_map(self) -> None:
        """Black, grey and white images have maps without NaN."""
        method = self.build()
        for value in (0.0, 0.5, 1.0):
            check_map(predict(method, torch.full((1, 3, 48, 64), value)), (1, 1, 48, 64))

    def test_results_repeat_exactly(self) -> None:
        """The same image gives the same map."""
        method, images = self.build(), noise(1, 48, 64)
        assert torch.equal(predict(method, images), predict(method, images))

    def test_arguments_rebuild_the_method(self) -> None:
        """The stored arguments are those of the constructor, as primitives."""
        arguments = self.build().arguments()
        assert set(arguments) == set(inspect.signature(self.method).parameters)
        assert all(isinstance(value, PRIMITIVES) for value in arguments.values())

    def test_every_parameter_is_explained(self) -> None:
        """The docstring of the class names each parameter, as ``name:``."""
        text = inspect.getdoc(self.method) or ""
        for name in inspect.signature(self.method).parameters:
            assert f"{name}:" in text, f"{self.method.__name__}: no docstring of '{name}'"

    def test_a_checkpoint_gives_the_same_map(self, tmp_path: Path) -> None:
        """Weights and arguments survive a file, opened without running code."""
        method, images = self.build(), noise(1, 40, 56)
        torch.save(checkpoint_of(method), tmp_path / "own.ckpt")
        again = self.build()
        load_checkpoint(again, str(tmp_path / "own.ckpt"))
        assert torch.equal(predict(again.eval(), images), predict(method, images))

    def test_a_training_free_method_has_no_optimiser(self) -> None:
        """``configure_optimizers`` is defined where there is something to train, only."""
        method = self.build()
        if not method.is_trainable():
            assert method.configure_optimizers() is None

    def test_the_command_line_runs_it(self, tmp_path: Path) -> None:
        """``sod test`` measures it; ``sod fit`` trains it for a step, if it can be trained."""
        write_scenes(tmp_path / "scenes", count=2, size=48, seed=3)
        config = tmp_path / "own.yaml"
        config.write_text(self.config(), encoding="utf-8")
        words = ["--config", str(config), "--data.num_workers=0", "--trainer.accelerator=cpu"]
        assert main(["test", *words, "--data.test", str(tmp_path / "scenes")]) == 0
        if self.method.is_trainable():
            words += ["--data.train", str(tmp_path / "scenes"), "--data.size=48"]
            words += ["--data.batch_size=2", "--trainer.fast_dev_run=true", *self.train]
            assert main(["fit", *words, "--out", str(tmp_path / "run")]) == 0

    def config(self) -> str:
        """Return the config of the method as :meth:`build` builds it."""
        import yaml

        model = {"class_path": full_name(self.method), "init_args": self.build().arguments()}
        return str(yaml.safe_dump({"model": model}))


def noise(count: int, height: int, width: int) -> Tensor:
    """Return random images ``[count, 3, height, width]`` in [0, 1], always the same."""
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def predict(method: Method, images: Tensor) -> Tensor:
    """Return the maps of images, without gradients."""
    with torch.inference_mode():
        return method.saliency(images)


def check_map(saliency: Tensor, shape: tuple[int, ...]) -> None:
    """Check type, shape and range of maps."""
    assert saliency.shape == shape, f"shape {tuple(saliency.shape)}, expected {shape}"
    assert saliency.dtype == torch.float32
    assert torch.isfinite(saliency).all()
    assert saliency.min() >= 0
    assert saliency.max() <= 1
