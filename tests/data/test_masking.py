import zlib
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from sod.core.errors import SodError
from sod.data.datamodule import SaliencyData
from sod.data.masking import Amount, Kind, Masker, MaskingConfig, mask_images

NAMES = [f"image{i}" for i in range(12)]
GREY = torch.tensor([0.1, 0.5, 0.9])


@pytest.mark.parametrize("amount", get_args(Amount))
@pytest.mark.parametrize("kind", ["strokes", "rectangles", "blocks"])
def test_the_masked_share_is_within_the_range_of_the_amount(kind: Kind, amount: Amount) -> None:
    names = [f"image{i}" for i in range(48)]
    masked = Masker(MaskingConfig(kind, amount, seed=0)).draw(names, 0, (224, 224))
    assert masked.shape == (48, 1, 224, 224)
    assert masked.dtype == torch.bool
    shares = masked.float().mean((1, 2, 3))
    low, high = {"low": (0.1, 0.25), "medium": (0.25, 0.45), "heavy": (0.45, 0.7)}[amount]
    seeds = [[0, 0, zlib.crc32(name.encode())] for name in names]
    wanted = torch.tensor([np.random.default_rng(seed).uniform(low, high) for seed in seeds])
    # Whole blocks are rounded; shapes are added until the share is reached.
    below, above = (0.5 * 32**2 / 224**2,) * 2 if kind == "blocks" else (0.0, 0.08)
    assert (shares - wanted).min() >= -below
    assert (shares - wanted).max() <= above
    assert shares.min() < low + below + 0.025
    assert shares.max() > high - 0.025


def test_blocks_are_whole_cells() -> None:
    masked = Masker(MaskingConfig("blocks", "medium")).draw(NAMES[:1], 0, (96, 128))[0, 0]
    cells = masked.view(3, 32, 4, 32).float().mean((1, 3))
    assert set(cells.flatten().tolist()) == {0.0, 1.0}


def test_masks_depend_on_name_epoch_and_seed_only() -> None:
    masker = Masker(MaskingConfig())
    whole = masker.draw(NAMES, 3, (64, 64))
    parts = [Masker(MaskingConfig()).draw([name], 3, (64, 64)) for name in reversed(NAMES)]
    assert torch.equal(whole, torch.cat(parts).flip(0))
    assert not torch.equal(whole, masker.draw(NAMES, 4, (64, 64)))
    assert not torch.equal(whole, Masker(MaskingConfig(seed=1)).draw(NAMES, 3, (64, 64)))


def test_workers_change_nothing(tmp_path: Path) -> None:
    seen = []
    for workers in (0, 2):
        data = SaliencyData(
            str(tmp_path), "builtin-6-64", size=32, batch_size=2, num_workers=workers
        )
        masker = Masker(MaskingConfig())
        loader = data.train_dataloader()
        loader.sampler.set_epoch(1)
        filled = []
        for batch in loader:
            masked = masker.draw([sample.name for sample in batch["samples"]], 1, (32, 32))
            filled.append(mask_images(batch["images"], masked, GREY))
        seen.append(filled)
    assert len(seen[0]) == 3
    assert all(torch.equal(one, other) for one, other in zip(*seen, strict=True))


def test_masked_pixels_take_the_colour_and_others_stay() -> None:
    images = torch.rand(1, 3, 2, 2)
    masked = torch.tensor([[[[True, False], [False, False]]]])
    filled = mask_images(images, masked, GREY)
    assert torch.equal(filled[0, :, 0, 0], GREY)
    assert torch.equal(filled[0, :, 1], images[0, :, 1])


def test_a_folder_supplies_the_masks(tmp_path: Path) -> None:
    mask = np.zeros((20, 40), np.uint8)
    mask[:10] = 255
    Image.fromarray(mask).save(tmp_path / "half.png")
    masked = Masker(MaskingConfig("folder", folder=str(tmp_path))).draw(NAMES[:1], 0, (8, 8))[0, 0]
    assert masked[:4].all()
    assert not masked[4:].any()


def test_nothing_masked() -> None:
    assert not Masker(MaskingConfig("none")).draw(NAMES[:1], 0, (8, 8)).any()


def test_mistakes_name_the_field(tmp_path: Path) -> None:
    with pytest.raises(SodError, match=r"masking\.folder: .* holds no mask images"):
        Masker(MaskingConfig("folder", folder=str(tmp_path / "absent")))
    with pytest.raises(SodError, match=r"masking\.folder: required"):
        MaskingConfig("folder")
    with pytest.raises(SodError, match=r"masking\.amount: 'much' is none of low"):
        MaskingConfig(amount="much")  # type: ignore[arg-type]


def test_the_seed_of_the_run_is_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drawn(seed: int | None) -> torch.Tensor:
        return Masker(MaskingConfig(seed=seed)).draw(NAMES[:1], 0, (32, 32))

    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    assert torch.equal(drawn(None), drawn(0))
    monkeypatch.setenv("PL_GLOBAL_SEED", "7")
    assert torch.equal(drawn(None), drawn(7))
    assert not torch.equal(drawn(None), drawn(0))
