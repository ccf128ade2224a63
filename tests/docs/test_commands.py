"""Every command that README and the documentation show is one that the program accepts."""

from functools import cache, partial
from pathlib import Path

import pytest
from helpers.documents import PAGES, commands
from helpers.places import ROOT

from sod.cli.app import SodCLI
from sod.cli.arguments import normalise
from sod.cli.catalogue import COMMANDS
from sod.cli.keys import check_keys
from sod.cli.parser import SodParser
from sod.core.configs import packaged_configs

SIMPLE = {"configs": 3, "doctor": 1, "new": 3, "recipe": 7}
"""The commands without dotted options, and the most words that they take."""

SHOWN = [(page, words) for page in PAGES for words in commands(page)]


class _StopError(Exception):
    """Raised instead of parsing, with the keys of the parser."""


@cache
def known_keys(name: str) -> set[str]:
    """Return the keys that a command takes, without those of a method."""
    found: set[str] = set()

    def stop(self: SodParser, *_: object) -> None:
        found.update(self.dests())
        raise _StopError

    command = COMMANDS[name]
    run = partial(SodCLI, command) if command.configured else command.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SodParser, "read", stop)
        with pytest.raises(_StopError):
            run([])
    return found


def without_own_configs(words: list[str]) -> list[str]:
    """Leave out configs that the reader writes or makes; packaged ones stay."""
    kept: list[str] = []
    for word in words:
        if kept[-1:] == ["--config"] and Path(word).stem not in packaged_configs():
            kept.pop()
        else:
            kept.append(word)
    return kept


@pytest.mark.parametrize(
    ("page", "words"), SHOWN, ids=[f"{page.stem}-{' '.join(words)[:60]}" for page, words in SHOWN]
)
def test_the_program_knows_every_option(
    page: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert words[0] in COMMANDS
    if words[0] in SIMPLE:
        assert len(words) - 1 <= SIMPLE[words[0]]
        return
    check_keys(normalise(without_own_configs(words[1:]), set()), known_keys(words[0]))


def test_there_are_commands_to_check() -> None:
    assert len(SHOWN) > 50
    named = {words[0] for _, words in SHOWN}
    assert named >= {"fit", "predict", "evaluate", "export", "benchmark", "tune", "new", "doctor"}
