"""Very many strings in a few objects, which worker processes share."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload

import numpy as np
import torch

_CODING = ("utf-8", "surrogateescape")
_MARK = "\0"
_BLOCK = 4096


class Strings(Sequence[str]):
    """Immutable strings that are stored one after the other.

    Worker processes share them with the process that started them: forked ones, as no object of
    Python is touched when one is read, and others by PyTorch's shared memory.

    Args:
        texts: The strings, of which only some thousands at a time need exist.

    Raises:
        ValueError: One holds the character 0, which no name of a file does.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        content, count, rest = bytearray(), 0, iter(texts)
        while block := list(islice(rest, _BLOCK)):
            content += (_MARK.join(block) + _MARK).encode(*_CODING)
            count += len(block)
        found = np.flatnonzero(np.frombuffer(content, np.uint8) == 0)
        if len(found) != count:
            raise ValueError("a string holds the character 0")
        ends = np.concatenate([[-1], found]).astype(np.int64)
        self._content = torch.from_numpy(np.frombuffer(content, np.uint8))
        self._ends = torch.from_numpy(ends)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """Return the string at an index, or several."""
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        return self._text(row, row + 1)

    def __iter__(self) -> Iterator[str]:
        """Yield all strings, which is much faster than one at a time."""
        for first in range(0, len(self), _BLOCK):
            yield from self._text(first, min(first + _BLOCK, len(self))).split(_MARK)

    def __eq__(self, other: object) -> bool:
        """Compare with any sequence of strings."""
        if isinstance(other, Strings):
            return torch.equal(self._content, other._content)
        if isinstance(other, str) or not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def _text(self, first: int, last: int) -> str:
        """Return the strings of some rows, with the mark between them.

        Arrays are made anew each time: a tensor moves when it is pickled for another process.
        """
        ends = self._ends.numpy()
        return str(self._content.numpy()[ends[first] + 1 : ends[last]].data, *_CODING)
