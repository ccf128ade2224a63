import hashlib
import os
from pathlib import Path

import pytest
import torch

from sod.core.errors import SodError
from sod.core.files import atomic_file, file_checksum, read_yaml, state_checksum, sweep, write_text


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


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks on Windows")
def test_unfinished_files_of_dead_writers_are_removed_and_those_of_living_ones_kept(
    tmp_path: Path,
) -> None:
    path, other = tmp_path / "a[1].txt", tmp_path / "b.txt"
    dead = path.with_name(f".{path.name}.abc.tmp")
    beside = other.with_name(f".{other.name}.abc.tmp")
    for file in (dead, beside):
        file.write_text("half")
    with atomic_file(path) as first:  # a writer of the same file, still at it
        first.write_text("first")
        write_text(path, "second")
        assert not dead.exists()
        assert first.read_text() == "first"
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert sorted(tmp_path.iterdir()) == [beside, path]
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


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
        (b"a: \xff", "not UTF-8 text"),
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
