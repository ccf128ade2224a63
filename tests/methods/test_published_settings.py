"""The shipped configs hold the constants of the papers and of their published code."""

from collections.abc import Callable
from typing import Any

import pytest
from helpers.peekaboo_cases import PatchColours
from helpers.places import CONFIGS

from sod.cli.app import SodCLI, assemble
from sod.cli.catalogue import COMMANDS
from sod.data.masking import MaskingConfig
from sod.data.transforms import Augmentation
from sod.engine.optimisers import OptimiserConfig
from sod.labels.initial_targets import InitialTargetsConfig
from sod.methods.peekaboo import Peekaboo
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.build import BackboneConfig
from sod.nn.inference import InferenceConfig
from sod.nn.losses.peekaboo import TermsConfig

# Siméoni et al., CVPR 2023, section 4 (implementation details): DINO ViT-S/8, and section 3.1: the
# keys of the last block. Zunair & Ben Hamza, BMVC 2024, section 4, take the same backbone.
DINO_SMALL_8 = BackboneConfig("vit_small_patch8_224.dino", "hub", "key", -1, "dino", [])
# Wang et al., CVPR 2022, section 4: DINO ViT-S/16, the keys of the last block.
DINO_SMALL_16 = BackboneConfig("vit_small_patch16_224.dino", "hub", "key", -1, "auto", [])

Load = Callable[[str], tuple[SodCLI, BackboneConfig]]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Assemble `fit` or `test` for a config, and return the program and the configured backbone."""

    def assembled(name: str) -> tuple[SodCLI, BackboneConfig]:
        backbones: list[BackboneConfig] = []

        def build(config: BackboneConfig) -> PatchColours:
            backbones.append(config)
            return PatchColours()

        for module in ("methods.peekaboo", "nn.initial_masks"):
            monkeypatch.setattr(f"sod.{module}.build_backbone", build)
        command = COMMANDS["test" if name == "tokencut" else "fit"]
        program = assemble(command, ["--config", str(CONFIGS / f"{name}.yaml")])
        (backbone,) = backbones
        return program, backbone

    return assembled


def assert_published_training(program: SodCLI) -> None:
    """FOUND, section 4, and its configs/found_DUTS-TR.yaml, which PEEKABOO's config repeats."""
    data, trainer = program.datamodule, program.config_init["trainer"]
    assert data.train == "DUTS-TR"
    assert not data.supervised
    assert (data.size, data.batch_size, data.drop_defects) == (224, 50, False)
    assert data.process_batch_size(processes=2, accumulated=5) == 5  # 50 images in every step
    assert (trainer["max_steps"], trainer["max_epochs"]) == (500, -1)
    assert trainer["accumulate_grad_batches"] == 1
    assert trainer["gradient_clip_val"] is None
    assert trainer["precision"] in (None, "32-true", 32)
    # The whole image, whose sharpness alone changes; the blur's 0.5 is fixed in the published code.
    assert data.augmentation == Augmentation(
        crop=1.0, rescale=(0.1, 3.0), flip=0.0, jitter=0.0, grey=0.0, blur=0.5
    )
    assert program.config["seed_everything"] == 0


def assert_published_method(method: Peekaboo) -> None:
    """The head of FOUND's model.py, AdamW, and StepLR: times 0.95 every 50 iterations."""
    assert method.downsample == "any"
    # A 1x1 convolution with PyTorch's random initialisation, on the features as they are.
    assert method.head.standardise is None
    assert method.head.predict.weight.abs().min() > 0
    assert method.inference == InferenceConfig("pad", (1.0,), False, 0.0, 0.0)
    assert method.optimiser == OptimiserConfig(0.05, 0.01, "step", 50, 0.95)
    built: Any = method.optimiser.build(method.head.parameters(), 500)
    optimiser, schedule = built["optimizer"], built["lr_scheduler"]
    assert type(optimiser).__name__ == "AdamW"
    assert sum(p.numel() for group in optimiser.param_groups for p in group["params"]) == 6
    assert schedule["interval"] == "step"
    rates = []
    for _ in range(500):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule["scheduler"].step()
    assert rates == pytest.approx([0.05 * 0.95 ** (step // 50) for step in range(500)])


def test_peekaboo(load: Load) -> None:
    program, backbone = load("peekaboo")
    method = program.method
    assert isinstance(method, Peekaboo)
    assert backbone == DINO_SMALL_8
    # Section 3: alpha 1.5, beta 1 and gamma 1; the regulariser of weight 4 is in train.py alone.
    assert method.terms == TermsConfig(1.5, 1.0, 1.0, 4.0, "published", "own")
    # Section 3: large irregular masks of the scribble set ("high masking" in the ablation).
    assert method.masker.config == MaskingConfig("strokes", "heavy", None, None)
    # No initial targets before a collapse; TokenCut's threshold after one.
    assert method.initial_targets == InitialTargetsConfig(
        kind="tokencut", steps=None, when="collapse", role="targets", tau=0.2
    )
    assert int(method.started) == -1
    assert not method.uses_initial_targets
    assert_published_method(method)
    assert_published_training(program)


def test_found(load: Load) -> None:
    program, backbone = load("found")
    method = program.method
    assert isinstance(method, Peekaboo)
    assert backbone == DINO_SMALL_8
    # Section 3.2: lambda 1.5; w_self_loss: 4 in configs/found_DUTS-TR.yaml, not in the paper.
    assert (method.terms.segmenter, method.terms.sharpen) == (1.5, 4.0)
    assert (method.terms.masked, method.terms.consistency) == (0.0, 0.0)
    # Section 3.1: tau 0.3. Section 4: the background guides the first 100 iterations.
    assert method.initial_targets == InitialTargetsConfig(
        kind="found", steps=100, when="start", role="term", weight=1.0, tau=0.3
    )
    assert method.uses_initial_targets
    assert method.masker.config.kind == "none"
    assert_published_method(method)
    assert_published_training(program)


def test_tokencut(load: Load) -> None:
    program, backbone = load("tokencut")
    method = program.method
    assert isinstance(method, TokenCut)
    assert backbone == DINO_SMALL_16
    # Section 3.2: E is 1 where the cosine is above tau, else eps; section 4: tau 0.2, eps 1e-5.
    assert (method.tau, method.eps, method.graph) == (0.2, 1e-5, "binary")
    # get_saliency.py: resized to the nearest multiple of the patch, at the image's own size.
    assert (method.resize, method.scale) == ("saliency", 1.0)
