from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from sod.core.errors import SodError
from sod.data.dataset import GroupBatch
from sod.engine.method import Method
from sod.methods.cosaliency import CoSaliency
from sod.methods.learned_cosaliency import LearnedCoSaliency
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.class_attention import ClassAttention

DESCRIPTOR = BackboneConfig("descriptor", None)


class Colours(Backbone):
    """Describes a patch by its mean colour, relative to grey: the same in every image."""

    def __init__(self) -> None:
        super().__init__(8, 3, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(images, 8) - 0.5


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("methods.cosaliency", "nn.initial_masks"):
        monkeypatch.setattr(f"sod.{module}.build_backbone", lambda config: Colours())


def group(size: tuple[int, int] = (96, 96)) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return photos of a red disc beside a square of ever another colour, and the discs."""
    rng = torch.Generator().manual_seed(0)
    rows, columns = torch.meshgrid(*(torch.arange(side) for side in size), indexing="ij")
    images, masks = [], []
    for number in range(4):
        image = 0.5 + 0.03 * torch.randn(3, *size, generator=rng)
        left = 24 if number % 2 else 72
        disc = (rows - 48) ** 2 + (columns - left) ** 2 < 18**2
        square = ((rows - 48).abs() < 17) & ((columns - (96 - left)).abs() < 17)
        image[:, disc] = torch.tensor([0.9, 0.1, 0.1])[:, None]
        colour = torch.tensor([[0.1, 0.2, 0.9], [0.1, 0.8, 0.2], [0.9, 0.9, 0.1], [0, 0, 0]])
        image[:, square] = colour[number].float()[:, None]
        images.append(image.clamp(0, 1))
        masks.append(disc)
    return images, masks


def iou(saliency: torch.Tensor, mask: torch.Tensor) -> float:
    found = saliency[0] > 0.5
    return float((found & mask).sum() / (found | mask).sum())


def test_only_what_the_group_shares_is_found() -> None:
    images, masks = group()
    method = CoSaliency(DESCRIPTOR).eval()
    together = [iou(s, m) for s, m in zip(method.group_saliency(images), masks, strict=True)]
    assert min(together) > 0.45  # patches of 8 pixels, discs of 36
    plain = TokenCut(DESCRIPTOR, tau=0.3).eval()
    alone = [iou(plain.saliency(i[None])[0], m) for i, m in zip(images, masks, strict=True)]
    assert sum(together) / 4 > sum(alone) / 4 + 0.1


def test_images_of_a_group_keep_their_sizes_and_order_does_not_matter() -> None:
    images, _ = group()
    images[1] = images[1][:, :70, :90]
    method = CoSaliency(DESCRIPTOR).eval()
    maps = method.group_saliency(images)
    assert [tuple(m.shape) for m in maps] == [(1, *i.shape[1:]) for i in images]
    swapped = method.group_saliency(images[::-1])[::-1]
    for left, right in zip(maps, swapped, strict=True):
        torch.testing.assert_close(left, right, atol=1e-4, rtol=0)


def test_another_method_is_the_prior(tmp_path: Path) -> None:
    config = tmp_path / "box.yaml"
    config.write_text("model: {class_path: CentreBox, init_args: {share: 0.5}}")
    method = CoSaliency(DESCRIPTOR, prior=str(config))
    prior = method.prior_map(torch.rand(3, 80, 80), (10, 10))
    assert prior[5, 5] == 1
    assert prior[0].sum() == 0
    assert not any("prior" in name for name in method.state_dict())
    with pytest.raises(SodError, match=r"box\.yaml is another model"):
        method.portable()
    with pytest.raises(SodError, match="segments"):
        CoSaliency(DESCRIPTOR, segments=0)


def test_the_attention_of_the_class_token_is_scaled_to_one() -> None:
    config = BackboneConfig("vit_tiny_patch16_224", None, "value", 1, "timm")
    maps = ClassAttention(config).maps(torch.rand(2, 3, 48, 64))
    assert maps.shape == (2, 3, 4)
    torch.testing.assert_close(maps.flatten(1).amax(1), torch.ones(2))
    torch.testing.assert_close(maps.flatten(1).amin(1), torch.zeros(2))
    with pytest.raises(SodError, match="class token"):
        ClassAttention(DESCRIPTOR)


def test_the_learned_method_starts_as_the_plain_one_and_its_loss_falls() -> None:
    torch.manual_seed(0)
    images, _ = group()
    method = LearnedCoSaliency(DESCRIPTOR, objective="published")
    plain = CoSaliency(DESCRIPTOR)
    for left, right in zip(
        method.group_saliency(images), plain.group_saliency(images), strict=True
    ):
        assert torch.equal(left, right)
    batch = {"images": torch.stack(images), "masks": [None] * 4}
    optimiser = torch.optim.Adam(method.projection.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        loss = method.loss(batch).loss  # type: ignore[arg-type]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.01
    assert "backbone" not in _stored(method)
    terms = method.loss(batch).terms  # type: ignore[arg-type]
    whole = terms["pairs"] + 0.3 * terms["agreement"]
    torch.testing.assert_close(method.total(terms), whole)


def test_masks_of_few_images_take_the_place_of_their_maps() -> None:
    torch.manual_seed(0)
    images, masks = group()
    method = LearnedCoSaliency(DESCRIPTOR)
    observed = method._observed(images)
    plain = method.terms(*observed)
    method._few_labels = True
    given = [masks[0].byte() * 255, None, None, None]
    terms = method.terms(*observed, given)
    assert terms.keys() == {"contrast", "confidence"}
    assert terms["contrast"] != plain["contrast"]
    assert method.terms(*observed, [None] * 4)["confidence"] == 0
    terms["confidence"].backward()
    assert method.confidence.layers[0].weight.grad.abs().sum() > 0  # type: ignore[union-attr]


def _stored(method: LearnedCoSaliency) -> str:
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    return " ".join(checkpoint["state_dict"])


def test_a_group_is_predicted_together_in_the_loops() -> None:
    images, _ = group()
    method: Method = CoSaliency(DESCRIPTOR).eval()
    batch = GroupBatch(images=images, masks=[None] * 4, samples=[], errors=[])
    maps = method.test_step(batch, 0)["saliency"]
    for left, right in zip(maps, method.group_saliency(images), strict=True):
        assert torch.equal(left, right)


def test_labels_of_a_group_are_completed_as_they_would_be_made_at_once(tmp_path: Path) -> None:
    from sod.cli import main

    for number, image in enumerate(group()[0]):
        path = tmp_path / f"photos/{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((image * 255).byte().permute(1, 2, 0).numpy()).save(path)
    command = ["predict", "--model=CoSaliency", "--model.backbone.name=descriptor"]
    command += ["--model.backbone.weights=null", "--data.num_workers=0"]
    command += ["--source", str(tmp_path / "photos"), "--pseudo", str(tmp_path / "store")]
    assert main(command) == 0
    first = np.asarray(Image.open(tmp_path / "store/2.png"))
    (tmp_path / "store/2.png").unlink()
    assert main(command) == 0
    assert (np.asarray(Image.open(tmp_path / "store/2.png")) == first).all()


def test_resumed_predictions_of_a_group_are_those_of_the_whole_group(tmp_path: Path) -> None:
    from sod.cli import main

    for number, image in enumerate(group()[0]):
        path = tmp_path / f"photos/{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((image * 255).byte().permute(1, 2, 0).numpy()).save(path)
    command = ["predict", "--model=CoSaliency", "--model.backbone.name=descriptor"]
    command += ["--model.backbone.weights=null", "--data.num_workers=0", "--output=map"]
    command += ["--source", str(tmp_path / "photos"), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    first = np.asarray(Image.open(tmp_path / "out/map/2.png"))
    (tmp_path / "out/map/2.png").unlink()
    assert main([*command, "--resume"]) == 0
    assert (np.asarray(Image.open(tmp_path / "out/map/2.png")) == first).all()
