"""Lists of very many images: some bytes an image instead of objects."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import starmap
from pathlib import Path
from typing import overload

from sod.data.samples import Sample

_CODING = ("utf-8", "surrogateescape")


class Strings:
    """Immutable strings that are stored one after the other.

    Worker processes share them with the process that started them: no object of Python is touched
    when one is read.

    Args:
        texts: The strings, of which only one at a time need exist.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        content, ends = bytearray(), array("Q", [0])
        for text in texts:
            content += text.encode(*_CODING)
            ends.append(len(content))
        self._content, self._ends = bytes(content), ends

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        """Return the string at an index, from 0."""
        return self._content[self._ends[index] : self._ends[index + 1]].decode(*_CODING)


class SampleList(Sequence[Sample]):
    """Images without masks; a sample is made when it is indexed.

    Args:
        names: Their names.
        files: Their files, as many.

    Raises:
        ValueError: There are more of one than of the other.
    """

    def __init__(self, names: Iterable[str], files: Iterable[str]) -> None:
        self._names, self._files = Strings(names), Strings(files)
        self._rows: Sequence[int] = range(len(self._names))
        if len(self._names) != len(self._files):
            raise ValueError(f"{len(self._names)} names, but {len(self._files)} files")

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "SampleList": ...
    def __getitem__(self, index: int | slice) -> "Sample | SampleList":
        """Return one sample, or a list of several, which shares the strings."""
        if isinstance(index, slice):
            return self._chosen(self._rows[index])
        row = self._rows[index]
        return Sample(self._names[row], Path(self._files[row]))

    def __eq__(self, other: object) -> bool:
        """Compare with any sequence of samples."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def entries(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the file of each sample as strings."""
        return ((self._names[row], self._files[row]) for row in self._rows)

    def where(self, wanted: Callable[[str, str], bool]) -> "SampleList":
        """Return the samples whose name and file a function wants."""
        kept = starmap(wanted, self.entries())
        rows = array("Q", (row for row, keep in zip(self._rows, kept, strict=True) if keep))
        return self if len(rows) == len(self) else self._chosen(rows)

    def _chosen(self, rows: Sequence[int]) -> "SampleList":
        chosen = SampleList((), ())
        chosen._names, chosen._files, chosen._rows = self._names, self._files, rows
        return chosen


def sample_list(samples: Sequence[Sample]) -> SampleList:
    """Return samples without masks as such a list."""
    if isinstance(samples, SampleList):
        return samples
    return SampleList((s.name for s in samples), (str(s.image) for s in samples))
