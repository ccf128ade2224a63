"""Seeded damage: of the bytes of a file, and of the values in nested content."""

from collections.abc import Callable
from random import Random
from typing import Any

import torch

EXTREMES = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"[[[[",
    b"nan ",
)


def damaged(content: bytes, rng: Random) -> bytes:
    """Return a file's bytes after one to four of the edits below."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        rng.choice(EDITS)(data, rng)
    return bytes(data)


def _flip(data: bytearray, rng: Random) -> None:
    for _ in range(rng.randint(1, 8)):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _noise(data: bytearray, rng: Random) -> None:
    start = _place(data, rng)
    data[start : start + rng.randint(1, 64)] = rng.randbytes(rng.randint(1, 64))


def _extreme(data: bytearray, rng: Random) -> None:
    start = _place(data, rng)
    data[start : start + 4] = rng.choice(EXTREMES)


def _early(data: bytearray, rng: Random) -> None:
    """Damage the header, where sizes and types are."""
    start = rng.randrange(min(len(data), 64) or 1)
    data[start : start + 2] = rng.randbytes(2)


def _cut(data: bytearray, rng: Random) -> None:
    del data[_place(data, rng) :]


def _remove(data: bytearray, rng: Random) -> None:
    start = _place(data, rng)
    del data[start : start + rng.randint(1, 256)]


def _repeat(data: bytearray, rng: Random) -> None:
    start, stop = sorted((_place(data, rng), _place(data, rng)))
    data[start:start] = data[start : min(stop, start + 4096)] * rng.randint(1, 3)


def _place(data: bytearray, rng: Random) -> int:
    return rng.randrange(len(data)) if data else 0


EDITS: tuple[Callable[[bytearray, Random], None], ...] = (
    _flip,
    _noise,
    _extreme,
    _early,
    _cut,
    _remove,
    _repeat,
)


def odd_value(rng: Random) -> Any:  # noqa: ANN401 - anything
    """Return a value that no field expects."""
    deep: Any = 1
    for _ in range(rng.choice((3, 50, 150))):
        deep = [deep] if rng.random() < 0.5 else {"a": deep}
    return rng.choice(
        [
            *(None, True, -1, 0, 10**6, 2**63, 10**30, 0.5, -1e300),
            *(float("nan"), float("inf"), "", "x", "../../x", "os.system", "x" * 5000, "\0\n[/]"),
            *([], {}, [None], {"class_path": "os.system"}, {"": 1}, deep),
            *(torch.zeros(0), torch.full((3,), torch.nan), torch.zeros(1).expand(10**6)),
        ]
    )


def changed(content: Any, rng: Random, odd: Callable[[Random], Any] = odd_value) -> Any:  # noqa: ANN401
    """Return nested content with a value replaced, removed or added somewhere."""
    if not isinstance(content, dict | list) or not content or rng.random() < 0.15:
        return odd(rng)
    if isinstance(content, list):
        index = rng.randrange(len(content))
        return [*content[:index], changed(content[index], rng, odd), *content[index + 1 :]]
    key = rng.choice(sorted(content, key=str))
    copy = dict(content)
    action = rng.random()
    if action < 0.1:
        del copy[key]
    elif action < 0.2:
        copy[rng.choice(("x", "class_path", 3, "a.b", "__class__"))] = odd(rng)
    else:
        copy[key] = changed(content[key], rng, odd)
    return copy
