import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.places import ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real images and weights; tests that use it are skipped if it is absent."""
    folder = Path(os.environ.get("SOD_SHARED", ROOT.parent / "shared"))
    if not (folder / "data" / "ECSSD").is_dir():
        pytest.skip(f"no shared data: {folder} is absent (set SOD_SHARED)")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Limit PyTorch to one thread: on tiny tensors, threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def errors(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Function that returns standard error, which must be one line and no traceback."""

    def read() -> str:
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        assert "Traceback" not in text
        return text

    return read


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Block all network connections except those between local processes."""
    connect = socket.socket.connect

    def connect_locally(self: socket.socket, address: Any) -> None:  # noqa: ANN401
        local = self.family == socket.AF_UNIX or address[0] in {"127.0.0.1", "::1", "localhost"}
        if not local:
            raise OSError(f"the tests must not use the network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_locally)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
