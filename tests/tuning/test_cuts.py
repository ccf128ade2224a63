from pathlib import Path

import torch
from helpers.vit_cases import tiny_vit

from sod.nn.backbones.taps import every_tap
from sod.nn.backbones.vit import VisionBackbone
from sod.nn.resize import lanczos_resize
from sod.spectral import normalized_cut
from sod.tuning.cuts import ImageCuts, cut_image, read_cuts, write_cuts

TAPS = every_tap(2, ["key", "token"])


def test_one_pass_gives_the_cut_of_each_feature_at_each_threshold() -> None:
    image = torch.rand(3, 45, 60, generator=torch.Generator().manual_seed(0))
    image[:, 10:30, 20:40] += 0.5
    backbone = VisionBackbone(tiny_vit(), TAPS, "timm", "tiny")
    cuts = cut_image(backbone, image.clamp(0, 1), (0.2, 0.5), max_tokens=100)
    assert cuts.size == (45, 60)
    assert cuts.masks.shape == (8, 6, 8)
    resized = lanczos_resize(image.clamp(0, 1)[None], (48, 64))
    for number, tap in enumerate(TAPS):
        alone = VisionBackbone(tiny_vit(), [tap], "timm", "tiny")
        with torch.inference_mode():
            expected = normalized_cut(alone(resized)[0], 0.5).component
        assert torch.equal(cuts.masks[2 * number + 1], expected)


def test_large_images_are_shrunk() -> None:
    backbone = VisionBackbone(tiny_vit(), TAPS, "timm", "tiny")
    cuts = cut_image(backbone, torch.rand(3, 160, 320), (0.2,), max_tokens=50)
    assert cuts.masks.shape[1:] == (5, 10)


def test_written_cuts_are_read_again(tmp_path: Path) -> None:
    masks = torch.rand(7, 5, 3, generator=torch.Generator().manual_seed(0)) > 0.5
    write_cuts(ImageCuts(masks, (80, 50)), tmp_path / "a.npz")
    back = read_cuts(tmp_path / "a.npz")
    assert back is not None
    assert torch.equal(back.masks, masks)
    assert back.size == (80, 50)
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:100])
    assert read_cuts(tmp_path / "a.npz") is None
    assert read_cuts(tmp_path / "b.npz") is None
