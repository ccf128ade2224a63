import cv2
import numpy as np
import pytest
import torch

from sod.evaluation.attributes.measured import ATTRIBUTES, image_attributes


def attributes(mask: np.ndarray, photo: np.ndarray | None = None) -> dict[str, float]:
    if photo is None:
        photo = np.zeros((*mask.shape, 3), np.float32)
    return image_attributes(torch.from_numpy(photo).permute(2, 0, 1), torch.from_numpy(mask))


def disc(row: int, column: int, radius: int, level: int = 255) -> np.ndarray:
    mask = np.zeros((200, 300), np.uint8)
    return np.asarray(cv2.circle(mask, (column, row), radius, level, -1))


def test_a_disc_in_the_middle() -> None:
    found = attributes(disc(100, 150, 40))
    assert found["size"] == pytest.approx(np.pi * 40**2 / 60000, rel=0.02)
    assert (found["objects"], found["border"]) == (1, 0)
    assert found["off_centre"] < 0.01
    assert found["thin"] < 0.01
    assert found["complexity"] == pytest.approx(1, abs=0.2)
    assert found["contrast"] == 0


def test_contrast_is_the_distance_of_the_mean_colours() -> None:
    mask = disc(100, 150, 40)
    photo = np.repeat((mask > 0)[..., None], 3, 2).astype(np.float32)  # white on black
    assert attributes(mask, photo)["contrast"] == pytest.approx(100, abs=0.5)
    photo[:] = 0.5
    assert attributes(mask, photo)["contrast"] == pytest.approx(0, abs=1e-3)


def test_objects_border_and_distance() -> None:
    mask = disc(10, 150, 30) | disc(150, 250, 10) | disc(190, 20, 2)  # the last has 13 pixels
    found = attributes(mask)
    assert (found["objects"], found["border"]) == (2, 1)
    corner = attributes(disc(0, 0, 10))
    assert corner["off_centre"] > 0.9


def test_thin_legs_and_a_long_boundary() -> None:
    mask = disc(60, 150, 40)
    for column in (130, 150, 170):
        cv2.rectangle(mask, (column - 2, 60), (column + 2, 190), 255, -1)
    found = attributes(mask)
    assert found["thin"] > 0.15
    assert found["complexity"] > 5


def test_an_empty_mask_has_no_shape() -> None:
    found = attributes(np.zeros((20, 20), np.uint8))
    assert found == {"size": 0, "objects": 0, "border": 0}


def test_classes_have_one_limit_less_than_names() -> None:
    for attribute in ATTRIBUTES.values():
        assert len(attribute.limits) == len(attribute.classes) - 1
    size = ATTRIBUTES["size"]
    assert [size.class_of(x) for x in (0.0, 0.03, 0.3)] == ["< 3 %", "3–10 %", "> 30 %"]
