"""Files name registered methods only; a user may name a package."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.foreign import foreign_package

import sod.methods  # noqa: F401 - defines the methods
from sod.cli import main
from sod.core.errors import SodError
from sod.engine.building import build_method
from sod.engine.registry import full_name, import_method, method_class
from sod.engine.stated import check_arguments
from sod.labels.teachers import build_teacher
from sod.methods.tokencut import TokenCut

PLAIN = {"backbone": {"name": "descriptor", "weights": None}}


def test_a_name_is_short_or_the_whole_path() -> None:
    assert method_class("TokenCut", "x") is TokenCut
    assert method_class("sod.methods.tokencut.TokenCut", "x") is TokenCut
    assert full_name(TokenCut) == "sod.methods.tokencut.TokenCut"
    with pytest.raises(SodError, match=r"x: there is no method 'a\.TokenCut'.*registered"):
        method_class("a.TokenCut", "x")


def test_the_copies_of_a_class_that_tracing_makes_are_no_methods() -> None:
    # As torch.fx does it: a subclass that bears name and module of the traced class.
    proxy = type("AttrProxy", (), {"__module__": "torch.fx.experimental.proxy_tensor"})
    traced = type("TokenCut", (proxy, TokenCut), {"__module__": TokenCut.__module__})
    assert full_name(traced) == full_name(TokenCut)
    assert method_class("TokenCut", "x") is TokenCut


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("foreign_a.Foreign", PLAIN),
        ("TokenCut", {"backbone": {"class_path": "foreign_a.Foreign", "init_args": {}}}),
        ("TokenCut", {"backbone": "named.yaml"}),
        ("TokenCut", {"backbone": "foreign_a.Foreign"}),
        ("Generations", {"teachers": ["teacher.yaml"], **PLAIN}),
    ],
)
def test_no_file_imports_a_package(
    method: str, arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = foreign_package(tmp_path, monkeypatch, "foreign_a")
    monkeypatch.chdir(tmp_path)
    Path("named.yaml").write_text("class_path: foreign_a.Foreign\n")
    Path("teacher.yaml").write_text("model: {class_path: foreign_a.Foreign}\n")
    content = {"method": method, "hyper_parameters": arguments, "state_dict": {}}
    torch.save(content, "a.ckpt")
    assert main(["predict", "--ckpt", "a.ckpt", "--source", str(tmp_path)]) == 2
    assert not trace.exists()
    with pytest.raises(SodError, match=r"a\.ckpt|quality_network"):
        build_teacher("a.ckpt")
    with pytest.raises(SodError, match=r"teacher\.yaml: there is no method"):
        build_teacher("teacher.yaml")
    assert not trace.exists()


def test_a_user_may_name_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = foreign_package(tmp_path, monkeypatch, "foreign_b")
    cls = import_method("foreign_b.Foreign", "--model")
    assert trace.exists()
    assert issubclass(cls, TokenCut)
    assert full_name(cls) == "foreign_b.Foreign"
    assert method_class("Foreign", "a file") is cls  # from now on it is registered
    assert isinstance(build_method(full_name(cls), PLAIN, {}, "a file"), cls)
    foreign_package(tmp_path, monkeypatch, "foreign_c")
    import_method("foreign_c.Foreign", "--model")
    with pytest.raises(
        SodError, match=r"'Foreign' is the name of foreign_b\.Foreign and foreign_c"
    ):
        method_class("Foreign", "a file")
    with pytest.raises(SodError, match=r"--model 'foreign_x\.Blob': cannot be imported"):
        import_method("foreign_x.Blob", "--model")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tau"], "no mapping"),
        ({"tau": torch.zeros(1)}, "hold a Tensor"),
        ({"a.b": 1}, r"key 'a\.b'"),
        ({1: 2}, "key 1"),
        ({"backbone": {"extra_features": [{"init_args": {}}]}}, "key 'init_args'"),
        ({"backbone": 3}, "backbone: refused, fields are expected and not 3"),
    ],
)
def test_stated_arguments_are_plain(arguments: Any, message: str) -> None:  # noqa: ANN401
    assert check_arguments(TokenCut, {"tau": 0.3, **PLAIN}, "f") == {"tau": 0.3, **PLAIN}
    with pytest.raises(SodError, match=f"f: .*{message}"):
        check_arguments(TokenCut, arguments, "f")
    nested: Any = 1
    for _ in range(1000):
        nested = [nested]
    with pytest.raises(SodError, match="too deeply"):
        check_arguments(TokenCut, {"tau": nested}, "f")
