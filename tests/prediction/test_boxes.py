"""Objects as boxes and in the form of COCO."""

import json
from pathlib import Path

import numpy as np
import pytest

from sod.core.errors import SodError
from sod.data.samples import Sample
from sod.prediction.boxes import find_objects, join_parts, write_boxes, write_part


@pytest.fixture
def saliency() -> np.ndarray:
    values = np.zeros((10, 12), np.float32)
    values[1:4, 2:5] = 0.75
    values[5:9, 6:11] = 1.0
    values[6:8, 8:10] = 0.0  # a hole
    values[9, 0] = 0.9  # too small
    return values


def test_objects_by_hand(saliency: np.ndarray) -> None:
    large, small = find_objects(saliency, saliency > 0.5)
    assert (large["box"], large["area"], large["score"]) == ([6, 5, 11, 9], 16, 1.0)
    assert (small["box"], small["area"], small["score"]) == ([2, 1, 5, 4], 9, 0.75)
    (outline,) = small["outline"]
    assert sorted(zip(outline[::2], outline[1::2], strict=True)) == [(2, 1), (2, 3), (4, 1), (4, 3)]
    assert find_objects(saliency, saliency > 2) == []


def test_files_and_their_union(saliency: np.ndarray, tmp_path: Path) -> None:
    objects = find_objects(saliency, saliency > 0.5)
    write_boxes(tmp_path / "boxes" / "a.json", (10, 12), objects)
    written = json.loads((tmp_path / "boxes" / "a.json").read_text())
    assert (written["height"], written["width"]) == (10, 12)
    assert written["objects"][1] == {"box": [2, 1, 5, 4], "area": 9, "score": 0.75}
    samples = [Sample(name, Path(f"{name}.jpg")) for name in ("a", "b", "c/d")]
    write_part(tmp_path / "coco" / "a.json", (10, 12), objects)
    write_part(tmp_path / "coco" / "c" / "d.json", (10, 12), objects[1:])
    assert join_parts(tmp_path / "coco", samples, tmp_path / "all.json") == 2
    joined = json.loads((tmp_path / "all.json").read_text())
    assert [image["file_name"] for image in joined["images"]] == ["a.jpg", "c/d.jpg"]
    rows = joined["annotations"]
    assert [(row["id"], row["image_id"]) for row in rows] == [(1, 1), (2, 1), (3, 2)]
    assert rows[0]["bbox"] == [6, 5, 5, 4]
    assert rows[0]["category_id"] == joined["categories"][0]["id"]
    (tmp_path / "coco" / "b.json").write_text("{}")
    with pytest.raises(SodError, match=r"b\.json: is damaged"):
        join_parts(tmp_path / "coco", samples, tmp_path / "all.json")
