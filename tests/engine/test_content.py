"""Checkpoints and models that are damaged, hostile, diverged or of another version."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import sod
import sod.methods
from sod.cli import main
from sod.core.errors import SodError
from sod.engine.building import build_from_checkpoint, build_method
from sod.engine.checkpoint import AtomicCheckpointIO, checkpoint_of, load_checkpoint
from sod.engine.content import FORMAT
from sod.engine.model_file import HEADER, read_model, write_model
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.weights import read_weights

ARGUMENTS = {"backbone": {"name": "descriptor", "weights": None}, "tau": 0.3}
GOOD = {"method": "TokenCut", "hyper_parameters": ARGUMENTS, "state_dict": {}}


def nested(levels: int) -> Any:  # noqa: ANN401
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def holds_itself() -> dict[str, Any]:
    content: dict[str, Any] = dict(GOOD)
    content["hyper_parameters"] = content
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"some words\n", "refused|damaged"),
        (b"", "damaged"),
        (b"PK\x03\x04" + b"x" * 90, "damaged"),
        ([1], "is not a checkpoint"),
        ({"method": "TokenCut", "state_dict": {}}, "states no arguments"),
        (GOOD | {"hyper_parameters": [1]}, "states no arguments"),
        (GOOD | {"hyper_parameters": {"tau": nested(300)}}, "nested too deeply"),
        (holds_itself(), "nested too deeply"),
        (GOOD | {"hyper_parameters": {"tau": float("nan")}}, "hold nan: give a finite number"),
        (GOOD | {"method": 3}, "names no method"),
        (GOOD | {"method": "Peekabo"}, "Did you mean 'Peekaboo'"),
        (GOOD | {"state_dict": [1]}, "no mapping from names to tensors"),
        (GOOD | {"state_dict": {"a": 1}}, "no mapping from names to tensors"),
        (GOOD | {"state_dict": {"a": torch.zeros(2)}}, "does not fit .*sod before 0.1"),
        (GOOD | {"sod_version": "0.0.9", "state_dict": {"a": torch.zeros(2)}}, "sod 0.0.9"),
        (GOOD | {"state_dict": {"a": torch.tensor([1, torch.nan])}}, "weights a are not finite"),
        (GOOD | {"students": 1}, "students are no list"),
        (GOOD | {"students": [GOOD]}, "students has no name"),
        (GOOD | {"students": [GOOD | {"name": "a.b"}]}, "students has no name"),
        (GOOD | {"students": [{"name": "a"}]}, "a: is damaged: it names no method"),
        (GOOD | {"weights_sha256": 1}, "checksums are no mapping"),
        (GOOD | {"format": FORMAT + 1, "sod_version": "9.1"}, "written by sod 9.1.*install"),
        (GOOD | {"format": "x"}, "has format 'x'"),
        (GOOD | {"hyper_parameters": {"tou": 1}}, "tou"),
    ],
)
def test_a_bad_checkpoint_is_named_in_one_line(
    content: object, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(SodError, match=rf"a\.ckpt: .*({message})") as caught:
        build_from_checkpoint(str(path))
    assert "\n" not in str(caught.value)


def test_files_say_which_version_wrote_them_and_older_ones_load(tmp_path: Path) -> None:
    method = build_method("TokenCut", ARGUMENTS, {}, "test")
    content = checkpoint_of(method)
    assert (content["format"], content["sod_version"]) == (FORMAT, sod.__version__)
    write_model(method.portable(), tmp_path / "a.safetensors")
    assert read_model(tmp_path / "a.safetensors")["format"] == FORMAT
    torch.save(GOOD, tmp_path / "old.ckpt")
    assert isinstance(build_from_checkpoint(str(tmp_path / "old.ckpt")), TokenCut)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("[" * 100_000, "is damaged"),
        ("{", "is damaged"),
        ("[]", "no model that"),
        (json.dumps({**GOOD, "same": {"b": "c"}}), "table of shared weights"),
        (json.dumps({**GOOD, "same": [1]}), "table of shared weights"),
        (json.dumps({**GOOD, "hyper_parameters": 1}), "states no arguments"),
    ],
)
def test_a_bad_model_is_named_in_one_line(header: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1)}, path, {HEADER: header})
    with pytest.raises(SodError, match=rf"a\.safetensors: .*{message}"):
        read_model(path)


def test_weights_that_hold_themselves_end(tmp_path: Path) -> None:
    content: dict[str, Any] = {"a": torch.zeros(1)}
    content["state_dict"] = content
    torch.save(content, tmp_path / "a.pth")
    assert list(read_weights(tmp_path / "a.pth")) == ["a"]
    torch.save({"a": torch.tensor(torch.inf)}, tmp_path / "b.pth")
    with pytest.raises(SodError, match=r"b\.pth: the weights a are not finite"):
        read_weights(tmp_path / "b.pth")


def test_a_model_too_large_for_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: TokenCut, *_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")

    monkeypatch.setattr("sod.nn.initial_masks.build_backbone", fails)
    with pytest.raises(SodError, match=r"f: TokenCut: not enough memory for a model"):
        build_method("TokenCut", ARGUMENTS, {}, "f")


def test_a_full_disk_leaves_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"a": 1}, path)

    def full(_: object, file: Any) -> None:  # noqa: ANN401
        file.write(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter failed")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(SodError, match=r"last\.ckpt: cannot be written: the disk is full"):
        AtomicCheckpointIO().save_checkpoint({"a": 2}, path)
    assert torch.load(path, weights_only=True) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_loading_does_not_hide_where_the_file_is_wrong(tmp_path: Path) -> None:
    method = build_method("TokenCut", ARGUMENTS, {}, "test")
    torch.save(GOOD | {"method": "CentreBox"}, tmp_path / "a.ckpt")
    with pytest.raises(SodError, match="holds a CentreBox"):
        load_checkpoint(method, str(tmp_path / "a.ckpt"))


def test_the_command_line_says_it_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.ckpt").write_text("some words\n")
    assert main(["predict", "--ckpt", str(tmp_path / "a.ckpt"), "--source", "x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
