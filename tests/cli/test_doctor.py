"""`sod doctor`: the report, and its exit code."""

from pathlib import Path

import pytest

from sod.cli import main
from sod.core import environment


def test_the_report_names_versions_devices_and_weights(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environment, "EXTRAS", {"demo": ("no-such-package",)})
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "own.safetensors").touch()
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for word in ("torch ", "CPU", "GPU", "own.safetensors", "HF_HUB_OFFLINE is set", "sod[demo]"):
        assert word in text


def test_a_missing_package_is_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "REQUIRED", ("torch", "no-such-package"))
    assert main(["doctor", "--offline"]) == 1
    assert "!! no-such-package      not installed" in capsys.readouterr().out
