from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sod.core.errors import SodError
from sod.evaluation.map_sources import map_files, parse_source, parse_sources


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, np.zeros((2, 2), np.float32))
        else:
            Image.new("L", (2, 2)).save(path)


def found(text: str, dataset: str = "SET") -> dict[str, str]:
    files = map_files(parse_source(text), dataset)
    return {name: path.name for name, path in files.items()}


def test_patterns_take_prefix_suffix_and_any_format(tmp_path: Path) -> None:
    write(
        tmp_path, "0001_sal.png", "0002_sal.png", "0001_edge.png", "m_7.jpg", "m_8.npy", "a.txt.png"
    )
    assert found(f"X={tmp_path}/*_sal.png") == {"0001": "0001_sal.png", "0002": "0002_sal.png"}
    assert found(f"{tmp_path}/m_*") == {"7": "m_7.jpg", "8": "m_8.npy"}
    assert found(f"{tmp_path}/*.jpg") == {"m_7": "m_7.jpg"}
    assert parse_source(f"X={tmp_path}/*_sal.png").label == "X"
    assert parse_source(f"{tmp_path}").label == tmp_path.name


def test_sets_have_folders_of_their_own(tmp_path: Path) -> None:
    write(tmp_path, "SET/0001_s.png", "OTHER/0002_s.png", "SET/deep/3_s.png")
    expected = {"0001": "0001_s.png", "deep/3": "3_s.png"}
    assert found(f"{tmp_path}/*_s.png") == expected
    assert found(f"M={tmp_path}/{{set}}/*_s.png") == expected
    assert found(f"{tmp_path}/*/{{set}}.png", "0002_s") == {"OTHER": "0002_s.png"}


def test_two_maps_of_one_image_are_a_mistake(tmp_path: Path) -> None:
    write(tmp_path, "1.png", "1.npy")
    with pytest.raises(SodError, match="two maps of one image"):
        found(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}/*_*.png", "use one"),
        ("A={}/nowhere", "there is no such folder"),
        (" ", "names no folder"),
    ],
)
def test_mistakes(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SodError, match=message):
        parse_sources(text.format(tmp_path))
