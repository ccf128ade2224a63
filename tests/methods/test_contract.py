"""What every method and every config has to keep, the ones still to come included."""

import inspect
from pathlib import Path

import pytest
import torch
from helpers.places import CONFIGS

import sod.methods  # noqa: F401 - defines the methods
from sod.cli import main
from sod.cli.app import assemble
from sod.cli.catalogue import COMMANDS
from sod.data.synthetic import write_scenes
from sod.engine.method import Method
from sod.engine.registry import known_methods

FILES = sorted(CONFIGS.glob("*.yaml"))
FREE = ["--model.backbone.name=descriptor", "--model.backbone.weights=null"]
RANDOM = [
    "--model.backbone.name=vit_tiny_patch16_224",
    *FREE[1:],
    "--model.backbone.pos_embed=timm",
]
METHODS = sorted(known_methods(), key=lambda cls: cls.__name__)


def build(arguments: list[str], cls: type[Method]) -> Method:
    """Build a method with the weight-free backbone where it has one."""
    if "backbone" in inspect.signature(cls).parameters:
        arguments = [
            *arguments,
            "--model.backbone.name=descriptor",
            "--model.backbone.weights=null",
        ]
    return assemble(COMMANDS["test"], arguments).method


@pytest.fixture(params=METHODS, ids=lambda cls: cls.__name__)
def method(request: pytest.FixtureRequest) -> Method:
    return build([f"--model={request.param.__name__}"], request.param).eval()


@pytest.mark.parametrize("size", [(32, 32), (1, 1), (37, 53), (200, 9), (8, 300)])
def test_saliency_is_finite_in_range_and_as_large_as_the_image(
    method: Method, size: tuple[int, int]
) -> None:
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        saliency = method.saliency(images)
        alone = method.saliency(images[1:])
    assert saliency.shape == (2, 1, *size)
    assert saliency.dtype == torch.float32
    assert torch.isfinite(saliency).all()
    assert saliency.min() >= 0
    assert saliency.max() <= 1
    torch.testing.assert_close(saliency[1:], alone, atol=1e-5, rtol=0)


def test_a_large_image(method: Method) -> None:
    images = torch.rand(1, 3, 1024, 768, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        saliency = method.saliency(images)
    assert saliency.shape == (1, 1, 1024, 768)
    assert torch.isfinite(saliency).all()
    assert saliency.min() >= 0
    assert saliency.max() <= 1


def test_constant_images_give_a_defined_map(method: Method) -> None:
    for value in (0.0, 0.5, 1.0):
        with torch.inference_mode():
            saliency = method.saliency(torch.full((1, 3, 48, 64), value))
        assert torch.isfinite(saliency).all()


def test_results_repeat_exactly(method: Method) -> None:
    images = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(method.saliency(images), method.saliency(images))


def test_arguments_rebuild_the_method(method: Method) -> None:
    arguments = method.arguments()
    assert set(arguments) == set(inspect.signature(type(method)).parameters)
    assert all(
        isinstance(v, str | int | float | bool | list | dict | None) for v in arguments.values()
    )


def test_every_parameter_is_explained(method: Method) -> None:
    text = inspect.getdoc(type(method)) or ""
    for name in inspect.signature(type(method)).parameters:
        assert f"{name}:" in text


def test_a_training_free_method_has_no_optimiser(method: Method) -> None:
    if not method.is_trainable():
        assert method.configure_optimizers() is None


@pytest.mark.parametrize("config", FILES, ids=lambda path: path.stem)
def test_every_config_runs(config: Path, tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", count=2, size=48, seed=3)
    arguments = ["--config", str(config), "--data.num_workers=0"]
    text = config.read_text()
    if "backbone:" in text:
        # FOUND needs the attention of a class token.
        arguments += RANDOM if "kind: found" in text else FREE
    test = [*arguments, "--data.test", str(tmp_path / "scenes")]
    assert main(["test", *test]) == 0
    cls = type(assemble(COMMANDS["test"], test).method)
    if cls.is_trainable():
        train = [*arguments, "--data.train", str(tmp_path / "scenes"), "--data.size=48"]
        train += ["--data.batch_size=2", "--trainer.fast_dev_run=true"]
        assert main(["fit", *train, "--out", str(tmp_path / "run")]) == 0
