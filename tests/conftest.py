import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images and weights; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("SOD_SHARED", ROOT.parent / "shared"))
    if not (folder / "data" / "ECSSD").is_dir():
        pytest.skip(f"no shared data: {folder} is absent (set SOD_SHARED)")
    return folder
