from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from sod.core.errors import SodError
from sod.data.datamodule import SaliencyData
from sod.data.masking import SHARES, Amount, HiddenConfig, Hider, Kind, hide

NAMES = [f"image{i}" for i in range(12)]


@pytest.mark.parametrize("amount", get_args(Amount))
@pytest.mark.parametrize("kind", ["strokes", "rectangles", "blocks"])
def test_the_hidden_share_is_what_the_amount_says(kind: Kind, amount: Amount) -> None:
    hidden = Hider(HiddenConfig(kind, amount)).draw(NAMES, 0, (224, 224))
    assert hidden.shape == (12, 1, 224, 224)
    assert hidden.dtype == torch.bool
    shares = hidden.float().mean((1, 2, 3))
    low, high = SHARES[amount]
    assert low - 0.03 <= shares.min()
    assert shares.max() <= high + 0.1
    assert len({float(share) for share in shares}) > 3


def test_blocks_are_whole_cells() -> None:
    hidden = Hider(HiddenConfig("blocks", "medium")).draw(NAMES[:1], 0, (96, 128))[0, 0]
    cells = hidden.view(3, 32, 4, 32).float().mean((1, 3))
    assert set(cells.flatten().tolist()) == {0.0, 1.0}


def test_name_epoch_and_seed_decide_alone() -> None:
    hider = Hider(HiddenConfig())
    whole = hider.draw(NAMES, 3, (64, 64))
    parts = [Hider(HiddenConfig()).draw([name], 3, (64, 64)) for name in reversed(NAMES)]
    assert torch.equal(whole, torch.cat(parts).flip(0))
    assert not torch.equal(whole, hider.draw(NAMES, 4, (64, 64)))
    assert not torch.equal(whole, Hider(HiddenConfig(seed=1)).draw(NAMES, 3, (64, 64)))


def test_workers_change_nothing(tmp_path: Path) -> None:
    seen = []
    for workers in (0, 2):
        data = SaliencyData(
            str(tmp_path), "builtin-6-64", size=32, batch_size=2, num_workers=workers
        )
        hider = Hider(HiddenConfig())
        loader = data.train_dataloader()
        loader.sampler.set_epoch(1)
        seen.append(
            [
                hide(b["images"], hider.draw([s.name for s in b["samples"]], 1, (32, 32)), GREY)
                for b in loader
            ]
        )
    assert len(seen[0]) == 3
    assert all(torch.equal(one, other) for one, other in zip(*seen, strict=True))


GREY = torch.tensor([0.1, 0.5, 0.9])


def test_hidden_pixels_take_the_colour_and_others_stay() -> None:
    images = torch.rand(1, 3, 2, 2)
    hidden = torch.tensor([[[[True, False], [False, False]]]])
    painted = hide(images, hidden, GREY)
    assert torch.equal(painted[0, :, 0, 0], GREY)
    assert torch.equal(painted[0, :, 1], images[0, :, 1])


def test_a_folder_supplies_the_masks(tmp_path: Path) -> None:
    mask = np.zeros((20, 40), np.uint8)
    mask[:10] = 255
    Image.fromarray(mask).save(tmp_path / "half.png")
    hidden = Hider(HiddenConfig("folder", folder=str(tmp_path))).draw(NAMES[:1], 0, (8, 8))[0, 0]
    assert hidden[:4].all()
    assert not hidden[4:].any()


def test_nothing_hidden() -> None:
    assert not Hider(HiddenConfig("none")).draw(NAMES[:1], 0, (8, 8)).any()


def test_mistakes_name_the_field(tmp_path: Path) -> None:
    with pytest.raises(SodError, match=r"hidden\.folder: .* holds no mask images"):
        Hider(HiddenConfig("folder", folder=str(tmp_path / "absent")))
    with pytest.raises(SodError, match=r"hidden\.folder: needed"):
        HiddenConfig("folder")
    with pytest.raises(SodError, match=r"hidden\.amount: 'much' is none of low"):
        HiddenConfig(amount="much")  # type: ignore[arg-type]


def test_the_seed_of_the_run_decides_unless_another_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def drawn(seed: int | None) -> torch.Tensor:
        return Hider(HiddenConfig(seed=seed)).draw(NAMES[:1], 0, (32, 32))

    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    assert torch.equal(drawn(None), drawn(0))
    monkeypatch.setenv("PL_GLOBAL_SEED", "7")
    assert torch.equal(drawn(None), drawn(7))
    assert not torch.equal(drawn(None), drawn(0))
