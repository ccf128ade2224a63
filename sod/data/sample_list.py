"""Lists of very many images: some bytes an image instead of objects."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, starmap
from pathlib import Path
from typing import overload

from sod.data.samples import Sample
from sod.data.strings import Strings


class SampleList(Sequence[Sample]):
    """Images and their masks; a sample is made when it is indexed.

    Args:
        names: Their names.
        files: Their files, as many.
        masks: Their masks, as many, empty where there is none; nothing: no image has one.
        special: The samples that are more than this, such as those of several masks, by index.

    Raises:
        ValueError: There are more of one than of the other.
    """

    def __init__(
        self,
        names: Iterable[str],
        files: Iterable[str],
        masks: Iterable[str] = (),
        special: Mapping[int, Sample] | None = None,
    ) -> None:
        self._names, self._files, self._masks = Strings(names), Strings(files), Strings(masks)
        self._special = dict(special or {})
        self._rows: Sequence[int] = range(len(self._names))
        if len(self._names) != len(self._files):
            raise ValueError(f"{len(self._names)} names, but {len(self._files)} files")
        if len(self._masks) not in {0, len(self._names)}:
            raise ValueError(f"{len(self._names)} names, but {len(self._masks)} masks")

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "SampleList": ...
    def __getitem__(self, index: int | slice) -> "Sample | SampleList":
        """Return one sample, or a list of several, which shares the strings."""
        if isinstance(index, slice):
            return self.at(self._rows[index])
        row = self._rows[index]
        if row in self._special:
            return self._special[row]
        mask = self._masks[row] if len(self._masks) else ""
        return Sample(self._names[row], Path(self._files[row]), Path(mask) if mask else None)

    def __eq__(self, other: object) -> bool:
        """Compare with any sequence of samples."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def entries(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the file of each sample as strings."""
        return zip(self._column(self._names), self._column(self._files), strict=True)

    def masks(self) -> Iterator[str]:
        """Yield the mask of each sample as a string, empty where there is none.

        Of a sample that is special it is the one of its own name.
        """
        return self._column(self._masks) if len(self._masks) else ("" for _ in self._rows)

    def without_mask(self) -> "SampleList":
        """Return the samples that have no mask."""
        found = zip(self._rows, self.masks(), strict=True)
        return self.at([row for row, mask in found if not mask and row not in self._special])

    def where(self, wanted: Callable[[str, str], bool]) -> "SampleList":
        """Return the samples whose name and file a function wants."""
        kept = starmap(wanted, self.entries())
        rows = array("Q", (row for row, keep in zip(self._rows, kept, strict=True) if keep))
        return self if len(rows) == len(self) else self.at(rows)

    def at(self, rows: Sequence[int]) -> "SampleList":
        """Return the samples of some rows of the list that this one is a part of."""
        chosen = SampleList((), ())
        chosen._names, chosen._files, chosen._masks = self._names, self._files, self._masks
        chosen._special, chosen._rows = self._special, rows
        return chosen

    def replaced(self, special: Mapping[int, Sample]) -> "SampleList":
        """Return the whole list with other samples in some rows."""
        other = self.at(self._rows)
        other._special = {**self._special, **special}
        return other

    def special(self) -> dict[int, Sample]:
        """Return the samples that are more than an image and a mask, by their index."""
        if not self._special:
            return {}
        return {at: self._special[row] for at, row in enumerate(self._rows) if row in self._special}

    def _column(self, texts: Strings) -> Iterator[str]:
        """Yield the strings of all rows."""
        if self._rows == range(len(texts)):
            return iter(texts)
        if len(self._rows) > len(texts) // 8:
            return map(list(texts).__getitem__, self._rows)
        return map(texts.__getitem__, self._rows)


def sample_list(samples: Sequence[Sample]) -> SampleList:
    """Return samples as such a list."""
    if isinstance(samples, SampleList):
        return samples
    special = {at: s for at, s in enumerate(samples) if s.further or s.fit_mask}
    masks = ["" if s.mask is None else str(s.mask) for s in samples]
    names, files = (s.name for s in samples), (str(s.image) for s in samples)
    return SampleList(names, files, masks if any(masks) else (), special)


def joined(lists: Sequence[Sequence[Sample]]) -> SampleList:
    """Return the samples of several lists, one list after the other."""
    parts = [sample_list(each) for each in lists]
    if len(parts) == 1:
        return parts[0]
    starts = [sum(map(len, parts[:number])) for number in range(len(parts))]
    special = {
        start + at: sample
        for start, part in zip(starts, parts, strict=True)
        for at, sample in part.special().items()
    }
    names = (name for part in parts for name, _ in part.entries())
    files = (file for part in parts for _, file in part.entries())
    return SampleList(names, files, chain.from_iterable(part.masks() for part in parts), special)
