import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sod.cli import main
from sod.core.errors import SodError
from sod.data.benchmarks import find_dataset
from sod.data.compose import Photo, compose_set, paste, plan, tile
from sod.data.reading import read_image, read_mask

COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}


def photo(colour: tuple[int, int, int], size: tuple[int, int] = (40, 60)) -> Photo:
    mask = np.zeros(size, bool)
    mask[10:20, 5:15] = True
    image = np.full((*size, 3), 128, np.uint8)
    image[mask] = colour
    return Photo(image, mask)


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    for name, colour in COLOURS.items():
        for stem in range(4):
            each = photo(colour)
            for kind, pixels in (("image", each.image), ("gt", each.mask.astype(np.uint8) * 255)):
                path = tmp_path / "set" / kind / name / f"{stem}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return tmp_path


@pytest.mark.parametrize(("size", "axis"), [((40, 60), 0), ((60, 40), 1)])
def test_tiles_lie_along_the_shorter_side(size: tuple[int, int], axis: int) -> None:
    own, other = photo((9, 9, 9), size), photo((1, 1, 1), (30, 30))
    places = set()
    for seed in range(8):
        made = tile(own, other, np.random.default_rng(seed))
        edge = size[1 - axis]
        assert made.mask.shape[axis] == size[axis] + edge
        assert made.mask.shape[1 - axis] == edge
        assert made.mask.sum() == own.mask.sum()
        assert (made.image[made.mask] == 9).all()
        places.add(bool(np.argwhere(made.mask)[:, axis].max() < size[axis]))
    assert places == {True, False}


def test_a_pasted_object_stays_behind_the_own_one() -> None:
    own, other = photo((200, 0, 0)), photo((0, 200, 0))
    made = paste(own, other, np.random.default_rng(0))
    assert (made.mask == own.mask).all()
    assert (made.image[own.mask] == own.image[own.mask]).all()
    pasted = (made.image[..., 1] > 190).sum()
    assert 0.6 * own.mask.sum() < pasted < 1.3 * own.mask.sum()
    crowded = Photo(own.image, np.ones_like(own.mask))
    assert (paste(crowded, other, np.random.default_rng(0)).image == own.image).all()


def test_the_distractor_is_of_another_group_and_depends_on_name_and_seed(groups: Path) -> None:
    samples = find_dataset(groups, "set").samples
    plans = {seed: plan(samples, "mixed", seed) for seed in (0, 1)}
    assert all(p.distractor.group != p.sample.group for p in plans[0])
    chosen = {seed: [(p.distractor.name, p.rule) for p in each] for seed, each in plans.items()}
    assert chosen[0] != chosen[1]
    reversed_ = plan(samples[::-1], "mixed", 0)[::-1]
    assert [p.sample.name for p in reversed_] == [s.name for s in samples]
    assert [p.rule for p in reversed_] == [rule for _, rule in chosen[0]]
    assert {rule for _, rule in chosen[0]} == {"tile", "paste"}
    with pytest.raises(SodError, match="two groups"):
        plan(samples[:3], "mixed", 0)
    with pytest.raises(SodError, match="--rule"):
        plan(samples, "glue", 0)  # type: ignore[arg-type]


def test_the_command_writes_a_set_that_is_found_again(groups: Path) -> None:
    command = ["data", "compose", "--data.root", str(groups), "--data.name", "set", "--seed", "4"]
    assert main([*command, "--out", str(groups / "new")]) == 0
    made = find_dataset(groups, "new").samples
    assert [s.name for s in made] == [s.name for s in find_dataset(groups, "set").samples]
    record = json.loads((groups / "new/composed.json").read_text())
    assert (record["seed"], len(record["images"])) == (4, 12)
    for sample in made:
        assert sample.mask is not None
        mask, image = read_mask(sample.mask) > 127, read_image(sample.image)
        assert mask.sum() == 100
        assert (image[mask] == COLOURS[sample.group]).all()
        other = COLOURS[record["images"][sample.name]["distractor"].partition("/")[0]]
        assert (np.abs(image.astype(int) - other).sum(2) < 30).sum() > 30
    before = [read_image(s.image) for s in made]
    assert compose_set(find_dataset(groups, "set").samples, groups / "new", "mixed", 4) == 12
    assert all((read_image(s.image) == b).all() for s, b in zip(made, before, strict=True))
    assert main([*command]) == 2
    assert main(["data", "check", "--data.root", str(groups), "--out", "x"]) == 2
