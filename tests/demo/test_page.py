"""The page as it is served: asked over its API, and looked at in a headless browser."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image

import sod
from sod.data.synthetic import make_scene
from sod.demo.page import build_page
from sod.demo.server import HOST, application

pytestmark = pytest.mark.slow
pytest.importorskip("gradio", reason="pip install 'sod[demo]'")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of two methods, on a free port."""
    import uvicorn

    models = {
        "TokenCut": lambda: sod.load("demo", device="cpu"),
        "Box": lambda: sod.load("centre_box", device="cpu", share=0.5),
    }
    page = build_page(models, "none", tmp_path_factory.mktemp("cutouts"))
    config = uvicorn.Config(application(page, 7861), host=HOST, port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    (port,) = {s.getsockname()[1] for each in server.servers for s in each.sockets}
    yield f"http://{HOST}:{port}/"
    server.should_exit = True
    thread.join(timeout=30)


def test_a_photo_is_answered(address: str, tmp_path: Path) -> None:
    from gradio_client import Client, handle_file

    pixels, _ = make_scene(11, (96, 128))
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    client = Client(address, verbose=False)
    photo = handle_file(str(tmp_path / "photo.png"))
    box = client.predict(photo, "Box", "none", 0.5, 1.0, False, api_name="/predict")
    saliency = np.asarray(Image.open(box[0]).convert("L"))
    assert (saliency > 127).sum() == 96 * 128 // 4
    with Image.open(box[2]) as cutout:
        assert cutout.mode == "RGBA"
        assert np.asarray(cutout)[..., 3].astype(bool).sum() == 96 * 128 // 4
    assert Path(box[4]).suffix == ".png"
    assert "objects: 1" in box[5]
    cut = client.predict(photo, "TokenCut", "bilateral", 0.5, 0.8, False, api_name="/predict")
    expected = sod.load("demo", device="cpu", refine="bilateral")(tmp_path / "photo.png")
    written = np.asarray(Image.open(cut[0]).convert("L"))
    assert np.abs(written - 255 * expected).max() <= 1


def test_nothing_is_loaded_from_elsewhere(address: str) -> None:
    from urllib.request import urlopen

    with urlopen(address) as answer:
        policy, text = answer.headers["Content-Security-Policy"], answer.read().decode()
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "fonts.googleapis.com" not in text
    assert '<script src="http' not in text


def test_a_browser_shows_it(address: str, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium here")
    words = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=30000"]
    words += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", address]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=True)
    for text in ("What stands out?", "Refinement", "Threshold", "Overlay", "Find the object"):
        assert text in done.stdout, text
