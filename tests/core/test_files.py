import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sod.core.errors import SodError
from sod.core.files import atomic_file, file_checksum, read_yaml, state_checksum, write_text


def temporary_file(path: Path, pid: int, host: str | None = None) -> Path:
    """Create the temporary file that a process of a host would leave beside ``path``."""
    file = path.with_name(f".{path.name}.{host or socket.gethostname()}.{pid}.tmp")
    file.write_text("half")
    return file


def pid_of_a_finished_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(timeout=60)
    return process.pid


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "old")
    with atomic_file(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_the_old_file_stays_when_the_block_raises(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half() -> None:
        with atomic_file(path) as temporary:
            temporary.write_text("half")
            raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be queried on Windows")
def test_temporary_files_of_dead_processes_of_this_host_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "a[1].txt"
    dead = pid_of_a_finished_process()
    removed = temporary_file(path, dead)
    kept = [
        temporary_file(path, os.getppid()),
        temporary_file(path, dead, host="another-host"),
        temporary_file(tmp_path / "b.txt", dead),
    ]
    write_text(path, "new")
    assert not removed.exists()
    assert all(file.exists() for file in kept)
    assert path.read_text() == "new"


def test_an_unwritable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(SodError, match=r"folder: cannot be written: "):
        write_text(path, "new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_mapping_is_read_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("model: {size: 3}\nname: σ\n", encoding="utf-8")
    assert read_yaml(path, "--config") == {"model": {"size": 3}, "name": "σ"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "is not valid YAML: "),
        (b"a: \xff", "is not valid YAML: "),
        (b"- 1", "expected keys such as"),
        (b"", "expected keys such as"),
    ],
)
def test_files_that_are_no_yaml_mapping_are_named(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(SodError, match=message) as caught:
        read_yaml(path, "--config")
    assert str(caught.value).startswith(f"--config {path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_yaml_file_is_named_with_the_closest_one(tmp_path: Path) -> None:
    (tmp_path / "peekaboo.yaml").touch()
    missing = tmp_path / "peekabo.yaml"
    with pytest.raises(SodError) as caught:
        read_yaml(missing, "--config")
    message = f"--config {missing}: there is no such file. Did you mean '{tmp_path}/peekaboo.yaml'?"
    assert str(caught.value) == message


def test_the_checksum_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 5000)  # more than one chunk
    assert file_checksum(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(SodError, match=r"none\.bin: cannot be read"):
        file_checksum(tmp_path / "none.bin")


def test_the_checksum_of_a_state_changes_with_names_types_shapes_and_values() -> None:
    state = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor(3)}
    checksum = state_checksum(state)
    assert checksum == state_checksum(dict(reversed(state.items())))
    changed = (
        {"a": state["a"], "c": state["b"]},
        {"a": state["a"], "b": torch.tensor(3, dtype=torch.int32)},
        {"a": state["a"][None], "b": state["b"]},
        {"a": torch.tensor([1.0, 2.5]), "b": state["b"]},
    )
    assert checksum not in {state_checksum(other) for other in changed}
