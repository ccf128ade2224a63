from pathlib import Path

import pytest

from sod.data.synthetic import write_scenes


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Dataset folder ``own`` of three drawn scenes, 40 x 56 pixels."""
    write_scenes(tmp_path / "own", count=3, size=(40, 56), seed=1)
    return tmp_path / "own"
