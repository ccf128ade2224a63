from pathlib import Path

import numpy as np
import pytest

from sod.core.errors import SodError
from sod.data.benchmarks import find_dataset
from sod.data.reading import read_image, read_mask
from sod.data.synthetic import builtin_scenes, make_scene, scene_layers, write_scenes


@pytest.mark.parametrize("size", [16, 64, (48, 96)])
def test_a_scene_shows_its_objects_inside_the_mask(size: int | tuple[int, int]) -> None:
    for index in range(20):
        image, mask = make_scene(index, size, seed=3)
        layers = scene_layers(index, size, seed=3)
        expected = (size, size) if isinstance(size, int) else size
        assert image.shape == (*expected, 3)
        assert image.dtype == mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 255}
        inside = mask == 255
        assert np.array_equal(image[inside], np.rint(layers.objects[inside] * 255))
        assert np.array_equal(image[~inside], np.rint(layers.background[~inside] * 255))


def test_objects_differ_in_colour_from_their_background() -> None:
    gaps = []
    for index in range(40):
        image, mask = make_scene(index, 64)
        inside = mask == 255
        gaps.append(np.linalg.norm(image[inside].mean(0) - image[~inside].mean(0)) / 255)
    assert min(gaps) > 0.15
    assert np.median(gaps) < 0.7


def test_scenes_follow_from_seed_and_index_alone() -> None:
    image, mask = make_scene(5, 48, seed=1)
    again, same = make_scene(5, 48, seed=1)
    assert np.array_equal(image, again)
    assert np.array_equal(mask, same)
    assert not np.array_equal(image, make_scene(6, 48, seed=1)[0])
    assert not np.array_equal(image, make_scene(5, 48, seed=2)[0])


def test_sizes_and_positions_vary() -> None:
    masks = [make_scene(index, 64)[1] > 0 for index in range(200)]
    areas = np.array([mask.mean() for mask in masks])
    rim = [
        mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any() for mask in masks
    ]
    assert 0.02 < areas.min() < 0.1
    assert 0.02 < np.mean(areas > 0.5) < 0.25
    assert 0.2 < np.mean(rim) < 0.8


def test_the_written_set_is_the_drawn_one(tmp_path: Path) -> None:
    found = find_dataset(tmp_path / "new", "builtin-3-32-7")
    assert [s.name for s in found.samples] == ["0000", "0001", "0002"]
    for index, sample in enumerate(found.samples):
        image, mask = make_scene(index, 32, seed=7)
        assert sample.mask is not None
        assert np.array_equal(read_image(sample.image), image)
        assert np.array_equal(read_mask(sample.mask), mask)


def test_the_set_is_written_once_and_all_or_nothing(tmp_path: Path) -> None:
    folder = builtin_scenes(tmp_path, "builtin-2-16")
    before = (folder / "images/0000.png").stat().st_mtime_ns
    assert builtin_scenes(tmp_path, "builtin-2-16-0") == folder
    write_scenes(folder, 2, 16)  # as a second process would
    assert (folder / "images/0000.png").stat().st_mtime_ns == before
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]
    (folder / "masks/0001.png").unlink()
    with pytest.raises(SodError, match="incomplete; delete this folder"):
        builtin_scenes(tmp_path, "builtin-2-16")


def test_impossible_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SodError, match="at least 1 scene"):
        find_dataset(tmp_path, "builtin-0")
    (tmp_path / "file").touch()
    with pytest.raises(SodError, match="cannot write here"):
        find_dataset(tmp_path / "file", "builtin-2-16")
