"""What the page shows of a photo, and what is said where it cannot be shown."""

import socket
import sys
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest

import sod
from sod.cli import main
from sod.core.errors import SodError
from sod.data import working_size
from sod.demo.server import HOST, check_port
from sod.demo.views import Wishes, views_of

Errors = Callable[[], str]


def test_the_pictures_are_those_of_the_model() -> None:
    model = sod.load("centre_box", device="cpu", share=0.5)
    photo = np.full((48, 64, 3), 30, np.uint8)
    views = views_of(model, photo, Wishes(threshold=0.5, sharpen=1.0))
    assert (np.asarray(views.saliency) > 127).sum() == 768
    assert np.asarray(views.cutout)[..., 3].astype(bool).sum() == 768
    assert views.overlay.size == views.instances.size == (64, 48)
    assert len(np.unique(np.asarray(views.instances).reshape(-1, 3), axis=0)) == 2
    assert "CentreBox on" in views.note
    assert "64×48 pixels, objects: 1" in views.note


def test_very_large_photos_are_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_size, "WORKING_PIXELS", 1000)
    photo = np.zeros((80, 60, 3), np.uint8)
    views = views_of(sod.load("centre_box", device="cpu"), photo, Wishes())
    assert views.saliency.width * views.saliency.height <= 1000


def test_a_missing_package_and_a_taken_port_are_named(
    errors: Errors, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.socket()) as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(SodError, match="cannot be used"):
            check_port(taken.getsockname()[1])
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["demo", "--model=CentreBox"]) == 2
    assert "sod demo needs gradio: pip install 'sod[demo]'" in errors()
