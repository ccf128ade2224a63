"""One step of PEEKABOO against its plain formulation; every option as in the shipped configs."""

from typing import Any

import pytest
import torch
from helpers.peekaboo_cases import (
    MEAN,
    Step,
    assert_step,
    batch,
    close,
    configured,
    hidden,
    step,
)
from helpers.peekaboo_oracle import Refined, bce, contrast_weights, cut, mse, stacked, zeta
from torch import Tensor

from sod.data.features import FeaturesConfig
from sod.methods.peekaboo import Peekaboo
from sod.nn.backbones.base import use_cache
from sod.nn.backbones.build import BackboneConfig

# Zunair & Ben Hamza, BMVC 2024, section 3, and the published train.py: alpha, beta and gamma of the
# three terms, and the weight of the regulariser BCE(z, b).
PUBLISHED = {"segmenter": 1.5, "masked": 1.0, "consistency": 1.0, "sharpen": 4.0}
EQUAL = {"segmenter": 1.0, "masked": 1.0, "consistency": 1.0}


@pytest.fixture
def inputs() -> Step:
    return step()


def refined(inputs: Step, masks: Tensor, downsample: str = "any") -> list[Refined]:
    """Return ζ of each mask, guided by the unmasked image."""
    return [zeta(x, mask, downsample) for x, mask in zip(inputs.images, masks, strict=True)]


def objects(inputs: Step, tau: float) -> Tensor:
    """Return TokenCut's objects, of the first feature alone, as bool ``[4, 8, 8]``."""
    return torch.stack([cut(features[:3].numpy(), tau) for features in inputs.features()])


def test_a_published_step(inputs: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    z, masked_z = inputs.logits(), inputs.logits(masked=True)
    whole, own = refined(inputs, z > 0), refined(inputs, masked_z > 0)
    # The case has both outcomes of the refinement, and two different targets.
    assert [each.accepted for each in whole] == [True, True, False, True]
    assert [each.accepted for each in own] == [True, False, False, True]
    targets, own_targets = stacked(whole), stacked(own)
    assert not torch.equal(targets, own_targets)
    assert not torch.equal(targets, (z > 0).double())
    terms = {
        "segmenter": bce(z, targets).mean(),
        "masked": bce(masked_z, own_targets).mean(),
        "consistency": mse(targets, own_targets),
        "sharpen": bce(z, (z > 0).double()).mean(),
    }
    method = configured(monkeypatch, "peekaboo")
    visuals = assert_step(method, inputs, PUBLISHED, terms)
    assert torch.equal(visuals["target"][:, 0].double(), targets)
    assert torch.equal(visuals["image"], inputs.images)
    assert torch.equal(visuals["masked"], inputs.masked_images)
    close(visuals["prediction"][:, 0], z.sigmoid(), "prediction")


def test_the_published_consistency_has_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    output = configured(monkeypatch, "peekaboo").loss(batch())
    assert output.terms["consistency"] > 0.05
    trained = {name: term.requires_grad for name, term in output.terms.items()}
    assert trained == {"segmenter": True, "masked": True, "consistency": False, "sharpen": True}


@pytest.mark.parametrize("downsample", ["half", "area"])
def test_targets_by_half_and_by_area(
    inputs: Step, monkeypatch: pytest.MonkeyPatch, downsample: str
) -> None:
    z, masked_z = inputs.logits(), inputs.logits(masked=True)
    targets, own = (stacked(refined(inputs, x > 0, downsample)) for x in (z, masked_z))
    assert not torch.equal(targets, stacked(refined(inputs, z > 0)))
    terms = {
        "segmenter": bce(z, targets).mean(),
        "masked": bce(masked_z, own).mean(),
        "consistency": mse(targets, own),
        "sharpen": bce(z, (z > 0).double()).mean(),
    }
    method = configured(monkeypatch, "peekaboo", {"downsample": downsample})
    assert_step(method, inputs, PUBLISHED, terms)


@pytest.mark.parametrize("masked_target", ["own", "whole"])
@pytest.mark.parametrize("kind", ["published", "saliency", "target"])
def test_variants_of_consistency_and_target(
    inputs: Step, monkeypatch: pytest.MonkeyPatch, kind: str, masked_target: str
) -> None:
    z, masked_z = inputs.logits(), inputs.logits(masked=True)
    whole = stacked(refined(inputs, z > 0))
    own = stacked(refined(inputs, masked_z > 0)) if masked_target == "own" else whole
    consistency = {
        "published": mse(whole, own),
        "saliency": mse(z.sigmoid(), masked_z.sigmoid()),
        "target": bce(masked_z, whole).mean(),
    }
    terms = {
        "segmenter": bce(z, whole).mean(),
        "masked": bce(masked_z, own).mean(),
        "consistency": consistency[kind],
        "sharpen": bce(z, (z > 0).double()).mean(),
    }
    variant = {"terms.consistency_kind": kind, "terms.masked_target": masked_target}
    # Weights of their own show which term has which.
    variant |= {"terms.segmenter": 0.7, "terms.masked": 1.3, "terms.consistency": 2.9}
    method = configured(monkeypatch, "peekaboo", variant | {"terms.sharpen": 3.1})
    weights = {"segmenter": 0.7, "masked": 1.3, "consistency": 2.9, "sharpen": 3.1}
    assert_step(method, inputs, weights, terms)


@pytest.mark.parametrize(
    ("overrides", "downsample"),
    [({}, "any"), ({"downsample": "half"}, "half"), ({"downsample": "area"}, "area")],
)
def test_a_step_of_peekaboo_plus(
    inputs: Step, monkeypatch: pytest.MonkeyPatch, overrides: dict[str, Any], downsample: str
) -> None:
    """TokenCut's refined objects are the targets of both images, weighted by their contrast."""
    z, masked_z = (inputs.logits(masked, standardise=True) for masked in (False, True))
    initial = refined(inputs, objects(inputs, tau=0.3), downsample)
    targets, weights = stacked(initial), contrast_weights(initial)
    assert weights.tolist() == pytest.approx([0.1, 1.0, 0.1, 0.639], abs=1e-3)
    terms = {
        "segmenter": (weights * bce(z, targets)).mean(),
        "masked": (weights * bce(masked_z, targets)).mean(),
        "consistency": mse(z.sigmoid(), masked_z.sigmoid()),
    }
    method = configured(monkeypatch, "peekaboo_plus", overrides)
    visuals = assert_step(method, inputs, EQUAL, terms)
    close(visuals["target"][:, 0], targets, "target")


def test_initial_targets_may_have_equal_weights(
    inputs: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    z, masked_z = (inputs.logits(masked, standardise=True) for masked in (False, True))
    targets = stacked(refined(inputs, objects(inputs, tau=0.3)))
    terms = {
        "segmenter": bce(z, targets).mean(),
        "masked": bce(masked_z, targets).mean(),
        "consistency": bce(masked_z, targets).mean(),
    }
    overrides = {"initial_targets.weight_images": False, "terms.consistency_kind": "target"}
    assert_step(configured(monkeypatch, "peekaboo_plus", overrides), inputs, EQUAL, terms)


def test_peekaboo_plus_after_its_initial_targets(
    inputs: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prediction for the whole image, refined, is the target of both; its weight is 1."""
    method = configured(monkeypatch, "peekaboo_plus", {"initial_targets.steps": 30})
    monkeypatch.setattr(Peekaboo, "global_step", 30)
    z, masked_z = (inputs.logits(masked, standardise=True) for masked in (False, True))
    targets = stacked(refined(inputs, z > 0))
    terms = {
        "segmenter": bce(z, targets).mean(),
        "masked": bce(masked_z, targets).mean(),
        "consistency": mse(z.sigmoid(), masked_z.sigmoid()),
        "sharpen": bce(z, (z > 0).double()).mean(),
    }
    assert_step(method, inputs, {**EQUAL, "sharpen": 0.0}, terms)


def test_after_a_collapse_the_published_method_learns_tokencut_s_objects(
    inputs: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = configured(monkeypatch, "peekaboo")
    monkeypatch.setattr(Peekaboo, "global_step", 200)
    method.started.fill_(120)
    z, masked_z = inputs.logits(), inputs.logits(masked=True)
    targets = stacked(refined(inputs, objects(inputs, tau=0.2)))
    assert not torch.equal(targets, stacked(refined(inputs, objects(inputs, tau=0.3))))
    terms = {
        "segmenter": bce(z, targets).mean(),
        "masked": bce(masked_z, targets).mean(),
        "consistency": torch.zeros(()).double(),
    }
    weights = {name: PUBLISHED[name] for name in terms}
    visuals = assert_step(method, inputs, weights, terms)
    assert torch.equal(visuals["target"][:, 0].double(), targets)


@pytest.mark.parametrize(("step", "started"), [(0, 0), (30, 7)])
def test_initial_targets_begin_with_a_run_but_not_again_where_it_is_resumed(
    step: int, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = configured(monkeypatch, "peekaboo_plus")
    monkeypatch.setattr(Peekaboo, "global_step", step)
    method.started.fill_(7)  # as loaded from a checkpoint
    method.on_fit_start()
    assert int(method.started) == started


def test_regions_that_come_with_the_batch_are_masked(
    inputs: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, given = configured(monkeypatch, "peekaboo"), batch()
    given["regions"] = hidden().flip(0)
    monkeypatch.setattr(method.masker, "draw", lambda *_: pytest.fail("drawn again"))
    masked = torch.where(given["regions"], MEAN.view(1, 3, 1, 1), inputs.images)
    masked_z = inputs._replace(masked_images=masked).logits(masked=True)
    output = method.loss(given)
    assert torch.equal(output.visuals["masked"], masked)
    expected = bce(masked_z, stacked(refined(inputs, masked_z > 0))).mean()
    close(output.terms["masked"], expected, "masked")


def test_nothing_is_masked_if_no_term_needs_it(
    inputs: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = configured(monkeypatch, "peekaboo", {"terms.masked": 0.0, "terms.consistency": 0.0})
    z = inputs.logits()
    targets = stacked(refined(inputs, z > 0))
    terms = {"segmenter": bce(z, targets).mean(), "sharpen": bce(z, (z > 0).double()).mean()}
    visuals = assert_step(method, inputs, {"segmenter": 1.5, "sharpen": 4.0}, terms)
    assert torch.equal(visuals["masked"], inputs.images)


def test_checkpoints_hold_the_head_alone_unless_asked() -> None:
    backbone = BackboneConfig("vit_tiny_patch16_224", None, pos_embed="timm")
    for method, expected in (
        (Peekaboo(backbone), False),
        (Peekaboo(backbone, store_backbone=True), True),
    ):
        checkpoint: dict[str, Any] = {"state_dict": method.state_dict()}
        method.on_save_checkpoint(checkpoint)
        assert any(name.startswith("backbone.") for name in checkpoint["state_dict"]) is expected
        assert "head.predict.weight" in checkpoint["state_dict"]


def test_cached_features_and_targets_give_the_same_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    method = configured(monkeypatch, "peekaboo_plus")
    expected = method.loss(batch())
    use_cache(method, FeaturesConfig("memory"))
    cache = method.backbone.cache
    assert cache is not None
    for found in (0, 4 * 4):  # features twice, of whole and masked images, and the targets
        terms = method.loss(batch()).terms
        assert {k: float(v) for k, v in terms.items()} == {
            k: float(v) for k, v in expected.terms.items()
        }
        assert cache.hits >= found
    assert cache.misses == 3 * 4
