import json
from pathlib import Path

import pytest
import torch
from helpers.fake_devices import DEVICES, pretended

from sod.core.errors import SodError
from sod.data.annotations import read_boxes, read_coco, read_names, read_voc
from sod.metrics.boxes import box_iou, component_boxes, mask_box
from sod.metrics.corloc import CorLoc, is_found, saliency_box

VOC = """<annotation><filename>000001.jpg</filename>
<object><name>dog</name><difficult>0</difficult><truncated>1</truncated>
 <bndbox><xmin>1</xmin><ymin>1</ymin><xmax>40</xmax><ymax>30</ymax></bndbox></object>
<object><name>person</name><difficult>1</difficult>
 <part><name>head</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>6</xmax><ymax>6</ymax></bndbox>
 </part>
 <bndbox><ymin>4.7</ymin><xmin>3.2</xmin><ymax>12</ymax><xmax>9</xmax></bndbox></object>
</annotation>"""


def voc(root: Path, text: str = VOC) -> Path:
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "Annotations").mkdir()
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("000001\n000002  1\n")
    (root / "Annotations" / "000001.xml").write_text(text)
    (root / "Annotations" / "000002.xml").write_text("<annotation/>")
    return root


def coco(path: Path) -> Path:
    annotations = [
        {"image_id": 7, "bbox": [10.4, 20.6, 30.2, 5.0], "iscrowd": 0},
        {"image_id": 7, "bbox": [0, 0, 99, 99], "iscrowd": 1},
        {"image_id": 9, "bbox": [1, 2, 3, 4], "iscrowd": 0},
    ]
    images = [
        {"id": 9, "file_name": "COCO_train2014_000000000009.jpg"},
        {"id": 7, "file_name": "COCO_train2014_000000000007.jpg"},
        {"id": 8, "file_name": "COCO_train2014_000000000008.jpg"},
    ]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def test_voc_boxes_start_at_zero_and_include_difficult_objects(tmp_path: Path) -> None:
    boxes = read_voc(voc(tmp_path))
    assert list(boxes) == ["000001", "000002"]
    assert boxes["000001"].tolist() == [[0, 0, 40, 30], [2, 3, 9, 12]]
    assert boxes["000002"].shape == (0, 4)


def test_coco_boxes_are_rounded_without_crowds_in_the_given_order(tmp_path: Path) -> None:
    path = coco(tmp_path / "instances.json")
    (tmp_path / "list.txt").write_text(
        "train2014/COCO_train2014_000000000007.jpg\n\nCOCO_train2014_000000000008.jpg\n"
    )
    boxes = read_coco(path, read_names(tmp_path / "list.txt"))
    assert [name[-1] for name in boxes] == ["7", "8"]
    assert [value.tolist() for value in boxes.values()] == [[[10, 21, 41, 26]], []]
    assert [name[-1] for name in read_coco(path)] == ["9", "7", "8"]


def test_a_box_file_holds_one_box_a_line(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("image,x0,y0,x1,y1\na.jpg,0,0,2,2.5\nb,1,1,3,3\na.png,4,4,5,5\n")
    boxes = read_boxes(path)
    assert boxes["a"].tolist() == [[0, 0, 2, 2.5], [4, 4, 5, 5]]
    assert boxes["b"].tolist() == [[1, 1, 3, 3]]


def test_boxes_of_masks_are_tight_and_half_open() -> None:
    mask = torch.zeros(6, 8, dtype=torch.bool)
    assert mask_box(mask) is None
    assert component_boxes(mask).shape == (0, 4)
    mask[1:3, 2:7] = True
    mask[4, 0] = True
    mask[5, 1] = True  # touches the one before at a corner only
    assert component_boxes(mask).tolist() == [[2, 1, 7, 3], [0, 4, 1, 5], [1, 5, 2, 6]]
    box = mask_box(mask)
    assert box is not None
    assert box.tolist() == [0, 1, 7, 6]


def test_the_overlap_of_boxes_by_hand() -> None:
    box = torch.tensor([0.0, 0, 4, 4])
    others = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4], [4, 4, 8, 8], [1, 1, 1, 1]])
    assert box_iou(box, others).tolist() == pytest.approx([1, 8 / 24, 0, 0])
    assert box_iou(box / 50, others / 50).tolist() == pytest.approx([1, 8 / 24, 0, 0])
    assert box_iou(box + 3, others + 3).tolist() == pytest.approx([1, 8 / 24, 0, 0])


def test_found_from_an_overlap_of_exactly_one_half() -> None:
    box = torch.tensor([0.0, 0, 4, 4])
    assert is_found(box, torch.tensor([[0.0, 0, 4, 2]]))
    assert not is_found(box, torch.tensor([[0.0, 0, 4, 1.99]]))
    assert is_found(box, torch.tensor([[9.0, 9, 10, 10], [0, 0, 4, 3]]))


def test_an_empty_map_is_a_miss() -> None:
    assert saliency_box(torch.full((5, 5), 0.5)) is None
    metric = CorLoc()
    metric.update(None, torch.tensor([[0.0, 0, 1, 1]]))
    metric.update(torch.tensor([0.0, 0, 1, 1]), torch.tensor([[0.0, 0, 1, 1]]))
    metric.update(torch.tensor([0.0, 0, 1, 1]), torch.zeros(0, 4))
    assert metric.compute().item() == pytest.approx(1 / 3)


def test_the_box_of_a_map_is_that_of_its_largest_component() -> None:
    saliency = torch.zeros(10, 10)
    saliency[0:2, 0:2], saliency[5:9, 3:8], saliency[9, 9] = 1.0, 0.6, 0.9
    box = saliency_box(saliency)
    assert box is not None
    assert box.tolist() == [3, 5, 8, 9]


def test_no_image_is_an_error() -> None:
    with pytest.raises(SodError, match="no image"), pytest.warns(UserWarning, match="before"):
        CorLoc().compute()


def test_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SodError, match=r"trainval\.txt: no such image set"):
        read_voc(tmp_path)
    root = voc(tmp_path / "a", "<annotation><object></annotation>")
    with pytest.raises(SodError, match=r"000001\.xml: not well-formed XML"):
        read_voc(root)
    root = voc(tmp_path / "b", "<annotation><object><name>dog</name></object></annotation>")
    with pytest.raises(SodError, match=r"000001\.xml: an object has no bndbox"):
        read_voc(root)
    (root / "Annotations" / "000001.xml").unlink()
    with pytest.raises(SodError, match=r"000001\.xml: cannot be read \(No such file"):
        read_voc(root)


def test_an_entity_bomb_is_refused(tmp_path: Path) -> None:
    levels = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10}">' for k in range(1, 10))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 999}">{levels}]><annotation>&e9;</annotation>'
    with pytest.raises(SodError, match="not well-formed XML"):
        read_voc(voc(tmp_path, bomb))


def test_wrong_coco_and_box_files_are_named(tmp_path: Path) -> None:
    path = coco(tmp_path / "instances.json")
    with pytest.raises(SodError, match=r"2 of the 3 images .* \(first: x\)"):
        read_coco(path, ["x.jpg", "COCO_train2014_000000000007.jpg", "y.jpg"])
    path.write_text("[]")
    with pytest.raises(SodError, match="not a COCO annotation file"):
        read_coco(path)
    path.write_text("image,x0,y0,x1,y1\na,0,0,1\n")
    with pytest.raises(SodError, match="line 2: expected the columns"):
        read_boxes(path)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SodError, match="not UTF-8"):
        read_names(path)


@pytest.mark.parametrize("device", DEVICES)
def test_a_box_and_annotations_may_be_on_different_devices(device: str) -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [10, 10, 12, 12]], dtype=torch.float64)
    saliency = torch.zeros(16, 16)
    saliency[:4, :3] = 1
    with pretended(device):
        box = saliency_box(saliency.to(device))
        assert box is not None
        assert box.tolist() == [0, 0, 3, 4]
        tight = mask_box(saliency.to(device) > 0.5)
        assert tight is not None
        metric = CorLoc().to(device)
        for found in (box, tight, None):
            metric.update(found, boxes)
            assert is_found(found, boxes) == (found is not None)
        assert float(metric.compute()) == pytest.approx(2 / 3)
