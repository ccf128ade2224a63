"""What a resumed prediction must have in common with the one before."""

from pathlib import Path

import pytest

from sod.core.errors import SodError
from sod.prediction.resuming import begin


def test_equal_settings_go_on_and_others_are_named(tmp_path: Path) -> None:
    settings = {"arguments": {"inference": {"scales": (1.0, 1.5)}}, "refine": "none"}
    begin(tmp_path, settings, resume=False)
    begin(tmp_path, settings, resume=True)
    with pytest.raises(SodError, match="made with another refine:"):
        begin(tmp_path, {**settings, "refine": "bilateral"}, resume=True)
