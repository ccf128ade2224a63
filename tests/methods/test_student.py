import colorsys
from pathlib import Path

import pytest
import torch

from sod.core.errors import SodError
from sod.data.dataset import Batch
from sod.data.samples import Sample
from sod.labels.learner import LabelsConfig
from sod.methods.student import Kind, Student, StudentNetwork, build_network
from sod.nn.decoders.lowres import LowResNet, gradients
from sod.nn.decoders.quality import QualityConfig, QualityNetwork, hue_saturation_value
from sod.nn.decoders.unet import UNet

KINDS = ["lowres", "unet", "dilated", "dense"]


def test_colours_agree_with_colorsys() -> None:
    images = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    images[0, :, 0, 0] = 0.4
    images[0, :, 0, 1] = 0.0
    found = hue_saturation_value(images)[0].flatten(1).T
    for pixel, values in zip(images[0].flatten(1).T.tolist(), found.tolist(), strict=True):
        assert values == pytest.approx(colorsys.rgb_to_hsv(*pixel), abs=1e-5)


def test_gradients_of_a_ramp() -> None:
    ramp = torch.arange(6.0).expand(1, 3, 4, 6)
    across, down = gradients(ramp)[0]
    assert across[:, 1:-1].unique().tolist() == [2.0]
    assert down.unique().tolist() == [0.0]


@pytest.mark.parametrize(("kind", "centre"), [("unet", "plain"), ("dilated", "dilated")])
def test_the_published_widths(kind: Kind, centre: str) -> None:
    network = build_network(StudentNetwork(kind, 32, 64))
    assert isinstance(network, UNet)
    convolutions = [m for m in network.encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [n for c in range(5) for n in [32 * 2**c] * 2]
    inner = [m for m in network.centre.modules() if isinstance(m, torch.nn.Conv2d)]
    if centre == "dilated":
        assert [m.dilation[0] for m in inner] == [1, 2, 4, 8, 16, 32]
        assert {m.out_channels for m in inner} == {512}
    else:
        assert [m.out_channels for m in inner] == [1024, 1024]


def test_a_dense_block_reads_all_before_it() -> None:
    network = UNet(32, dense=True)
    convolutions = [m for m in network.encoder[0].modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.in_channels for m in convolutions] == [3, 27, 51, 75, 99]
    assert convolutions[-1].out_channels == 32


@pytest.mark.parametrize("size", [(32, 32), (1, 1), (37, 53), (200, 9)])
@pytest.mark.parametrize("kind", KINDS)
def test_any_size_in_the_same_size_out(kind: Kind, size: tuple[int, int]) -> None:
    method = Student(StudentNetwork(kind, 4, 32), flip=True).eval()
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        saliency = method.saliency(images)
        mirrored = method.saliency(images.flip(-1)).flip(-1)
    assert saliency.shape == (2, 1, *size)
    assert 0 <= saliency.min() <= saliency.max() <= 1
    torch.testing.assert_close(saliency, mirrored, atol=1e-4, rtol=0)


def test_the_mirror_image_is_averaged_on_request_only() -> None:
    torch.manual_seed(0)
    method = Student(StudentNetwork("unet", 4, 32)).eval()
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        saliency, mirrored = (method.saliency(images), method.saliency(images.flip(-1)).flip(-1))
    assert not torch.allclose(saliency, mirrored, atol=1e-3)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_a_soft_mask(kind: Kind) -> None:
    torch.manual_seed(0)
    method = Student(StudentNetwork(kind, 8, 32))
    image = torch.zeros(1, 3, 32, 32)
    image[..., 8:24, 8:24] = 1
    mask = (204 * image[0, 0]).byte()
    batch = Batch(images=image, masks=[mask], samples=[Sample("a", Path("a.png"))], errors=[])
    adam = torch.optim.Adam(method.parameters(), lr=0.01)
    # Wide kernels on 128 pixels are slow, but quick to learn.
    for _ in range(20 if kind == "lowres" else 80):
        adam.zero_grad()
        method.loss(batch).loss.backward()
        adam.step()
    with torch.no_grad():
        saliency = method.eval().saliency(image)[0, 0]
    painted, truth = saliency > 0.5, mask > 0
    assert (painted & truth).sum() / (painted | truth).sum() > 0.85


def test_the_loss_is_the_mean_square_of_soft_masks() -> None:
    method = Student(StudentNetwork("unet", 4, 32))
    for parameter in method.parameters():
        torch.nn.init.zeros_(parameter)
    masks = [torch.full((32, 32), level, dtype=torch.uint8) for level in (255, 51)]
    samples = [Sample(name, Path(name)) for name in "ab"]
    batch = Batch(images=torch.rand(2, 3, 32, 32), masks=list(masks), samples=samples, errors=[])
    expected = ((0.5 - 1) ** 2 + (0.5 - 0.2) ** 2) / 2
    assert method.loss(batch).loss.item() == pytest.approx(expected)
    method.labels = LabelsConfig(weight_images=True)
    method.label_weights = {"a": 1.0, "b": 0.1}
    expected = ((0.5 - 1) ** 2 + 0.1 * (0.5 - 0.2) ** 2) / 2
    assert method.loss(batch).loss.item() == pytest.approx(expected)


def test_the_iou_term_is_added_by_its_weight() -> None:
    method = Student(StudentNetwork("unet", 4, 32), loss_kind="bce", iou=2.0)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mask = (255 * (image[0, 0] > 0.5)).byte()
    batch = Batch(images=image, masks=[mask], samples=[Sample("a", Path("a.png"))], errors=[])
    output = method.loss(batch)
    target = mask[None, None] / 255
    saliency = method._logits(image).sigmoid()
    overlap, both = (saliency * target).sum(), (saliency + target).sum()
    expected = 1 - (overlap + 1) / (both - overlap + 1)
    torch.testing.assert_close(output.terms["iou"], expected)
    torch.testing.assert_close(output.loss, output.terms["bce"] + 2 * expected)


def test_values_that_mean_nothing_are_refused() -> None:
    with pytest.raises(SodError, match=r"network.kind.*Did you mean 'unet'"):
        StudentNetwork("unett")  # type: ignore[arg-type]
    for width in (0, 3, 6):
        with pytest.raises(SodError, match=r"network\.width"):
            StudentNetwork("unet", width)
    with pytest.raises(SodError, match="labels need a store or a teacher"):
        Student(StudentNetwork("unet", 4, 32)).default_teacher()
    with pytest.raises(SodError, match=r"quality_network\.size"):
        QualityConfig(size=30)


def test_lowres_reads_128_and_writes_32_pixels() -> None:
    network, images = LowResNet(4).eval(), torch.rand(2, 3, 50, 70)
    seen: list[torch.Tensor] = []
    for branch in network.branches:
        branch.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    assert network(images).shape == (2, 1, 32, 32)
    small = torch.nn.functional.interpolate(images, (128, 128), mode="bilinear", antialias=True)
    assert torch.equal(seen[0], 2 * small - 1)
    assert torch.equal(seen[1], gradients(small))
    torch.testing.assert_close(seen[2], hue_saturation_value(small)[:, :1])


def test_the_quality_network_reads_colours_hue_and_mask() -> None:
    network = QualityNetwork(QualityConfig(4, 16)).eval()
    images, maps = torch.rand(3, 3, 9, 5), torch.rand(3, 1, 9, 5)
    seen: list[torch.Tensor] = []
    for branch in network.branches:
        branch.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    scores = network(images, maps)
    resize = torch.nn.functional.interpolate
    colours, masks = (resize(x, (16, 16), mode="bilinear", antialias=True) for x in (images, maps))
    for given, expected in zip(
        seen, (2 * colours - 1, hue_saturation_value(colours), 2 * masks - 1), strict=True
    ):
        assert torch.equal(given, expected)
    assert scores.shape == (3,)
    # The score of a pair depends on that pair alone, and on both parts of it.
    torch.testing.assert_close(network(images[1:2], maps[1:2]), scores[1:2])
    assert not torch.allclose(network(images, maps.flip(-1)), scores, atol=1e-4)
    assert not torch.allclose(network(images.flip(-1), maps), scores, atol=1e-4)


def test_images_are_averaged_when_they_are_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    method, seen = Student(StudentNetwork("unet", 4, 32)), list[torch.Tensor]()
    forward = method.network.forward
    monkeypatch.setattr(
        method.network, "forward", lambda images: seen.append(images) or forward(images)
    )
    lines = torch.zeros(1, 3, 256, 256)
    lines[..., ::8] = 1  # every eighth column, which plain bilinear sampling misses
    method.saliency(lines)
    assert seen[0].shape == (1, 3, 32, 32)
    torch.testing.assert_close(seen[0][..., 2:-2], torch.full((1, 3, 32, 28), 0.125))
