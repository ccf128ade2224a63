"""Read every file of a dataset and report what is missing, broken, odd or known to be wrong."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from rich.markup import escape
from rich.table import Table

from sod.core.errors import ImageError
from sod.data.benchmarks import Benchmark, Place, find_place
from sod.data.reading import grey_fraction, read_image, read_mask
from sod.data.samples import index_by_name

Level = Literal["defect", "known", "note"]
GREY_NOTE = 0.01  # mean share of grey pixels above which thresholds on the mask begin to matter
_COLOURS = {"defect": "red", "known": "yellow", "note": "cyan"}


class Issue(NamedTuple):
    """One kind of finding.

    Args:
        level: ``defect`` must be mended; ``known`` is a flaw of the published archive that is
            handled as said; ``note`` is worth knowing.
        what: what was found.
        names: the samples or files concerned, in natural order; empty if it is about the whole.
    """

    level: Level
    what: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckReport:
    """What a dataset holds and what is wrong with it.

    Args:
        name: the dataset.
        images: its folder of images.
        masks: its folder of masks, or None.
        found: number of images, known surplus files not counted.
        paired: number of those that have a mask.
        expected: published number of images, or None for own data.
        grey: mean over the masks of the share of pixels that are neither 0 nor 255.
        issues: the findings.
    """

    name: str
    images: Path
    masks: Path | None
    found: int
    paired: int
    expected: int | None
    grey: float
    issues: tuple[Issue, ...]

    @property
    def defects(self) -> bool:
        """Whether anything must be mended."""
        return any(issue.level == "defect" for issue in self.issues)


class _Reading(NamedTuple):
    """What reading one image and its mask showed."""

    name: str
    errors: list[str]
    sizes: str | None = None
    grey: float | None = None
    tops_at_one: bool = False
    digest: bytes | None = None


def check_dataset(root: Path | str, name: str) -> CheckReport:
    """Check a dataset: counts, pairing, every file's readability, sizes, grey masks, duplicates.

    Args:
        root: the data root.
        name: as for :func:`sod.data.benchmarks.find_dataset`.

    Raises:
        SodError: the dataset is absent.
    """
    place = find_place(Path(root), name)
    images_dir, masks_dir, recursive = place.folders
    surplus = _known(place.benchmark, "surplus")
    every = index_by_name(images_dir, recursive)
    images = {key: paths for key, paths in every.items() if key not in surplus}
    masks = index_by_name(masks_dir, recursive) if masks_dir else {}
    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter lock
        readings = list(pool.map(lambda key: _read(key, images[key], masks.get(key)), images))
    greys = [reading.grey for reading in readings if reading.grey is not None]
    expected = place.benchmark.count if place.benchmark else None
    issues = [
        *_count_issues(expected, len(images)),
        *_pairing_issues(images, {k: v for k, v in masks.items() if k not in surplus}, place),
        *_content_issues(readings, _known(place.benchmark, "size mismatch")),
        *_known_issues(place.benchmark, every.keys() | masks.keys()),
    ]
    return CheckReport(
        name=place.name,
        images=images_dir,
        masks=masks_dir,
        found=len(images),
        paired=sum(key in masks for key in images),
        expected=expected,
        grey=sum(greys) / len(greys) if greys else 0.0,
        issues=tuple(issues),
    )


def render_table(*reports: CheckReport) -> Table:
    """Return a table of reports for the terminal: one line per dataset and one per finding."""
    table = Table("dataset", "images", "published", "masks", "grey", "findings", show_lines=True)
    for report in reports:
        lines = [
            f"[{_COLOURS[level]}]{level}[/] {escape(what + _shortened(names))}"
            for level, what, names in report.issues
        ]
        table.add_row(
            escape(report.name),
            str(report.found),
            "-" if report.expected is None else str(report.expected),
            str(report.paired),
            f"{report.grey:.2%}",
            "\n".join(lines) or "[green]nothing wrong[/]",
        )
    return table


def _read(name: str, images: Sequence[Path], masks: Sequence[Path] | None) -> _Reading:
    errors: list[str] = []
    shape = mask = digest = None
    try:
        shape = read_image(images[0]).shape[:2]
        digest = hashlib.blake2b(images[0].read_bytes(), digest_size=16).digest()
    except ImageError as error:
        errors.append(str(error))
    try:
        mask = read_mask(masks[0]) if masks else None
    except ImageError as error:
        errors.append(str(error))
    if mask is None:
        return _Reading(name, errors, digest=digest)
    differs = shape is not None and mask.shape != shape
    sizes = (
        f"{name} (image {_size(shape)}, mask {_size(mask.shape)})" if shape and differs else None
    )
    return _Reading(name, errors, sizes, grey_fraction(mask), bool(mask.max() == 1), digest)


def _count_issues(expected: int | None, found: int) -> Iterable[Issue]:
    if not found:
        yield Issue("defect", "no images")
    elif expected is not None and found != expected:
        yield Issue("defect", f"{found} images where {expected} are published")


def _pairing_issues(
    images: Mapping[str, list[Path]], masks: Mapping[str, list[Path]], place: Place
) -> Iterable[Issue]:
    if place.folders.masks is None:
        yield Issue("note", "no masks: good for training and prediction, not for evaluation")
    else:
        yield from _listed("defect", "images without mask", images.keys() - masks.keys())
        yield from _listed("defect", "masks without image", masks.keys() - images.keys())
    for kind, index in (("images", images), ("masks", masks)):
        shared = [key for key, paths in index.items() if len(paths) > 1]
        yield from _listed("defect", f"{kind} that share a name", shared)


def _content_issues(readings: Sequence[_Reading], fitted: frozenset[str]) -> Iterable[Issue]:
    yield from _listed("defect", "unreadable", [e for r in readings for e in r.errors])
    unequal = [r.sizes for r in readings if r.sizes and r.name not in fitted]
    yield from _listed("defect", "mask and image differ in size", unequal)
    ones = [r.name for r in readings if r.tops_at_one]
    yield from _listed("defect", "masks of 0 and 1 (a threshold at 128 empties them)", ones)
    grey = [r.name for r in readings if (r.grey or 0) > GREY_NOTE and not r.tops_at_one]
    yield from _listed("note", f"masks with more than {GREY_NOTE:.0%} of grey pixels", grey)
    copies: dict[bytes, list[str]] = {}
    for reading in readings:
        if reading.digest is not None:
            copies.setdefault(reading.digest, []).append(reading.name)
    same = [" = ".join(names) for names in copies.values() if len(names) > 1]
    yield from _listed("note", "identical image files", same)


def _known_issues(benchmark: Benchmark | None, there: Iterable[str]) -> Iterable[Issue]:
    for defect in benchmark.defects if benchmark else ():
        yield from _listed("known", defect.note, defect.names & set(there))
    yield from (Issue("note", remark) for remark in (benchmark.remarks if benchmark else ()))


def _known(benchmark: Benchmark | None, kind: str) -> frozenset[str]:
    defects = benchmark.defects if benchmark else ()
    return frozenset(name for defect in defects if defect.kind == kind for name in defect.names)


def _listed(level: Level, what: str, names: Iterable[str]) -> Iterable[Issue]:
    listed = tuple(sorted(names))
    return [Issue(level, what, listed)] if listed else []


def _shortened(names: tuple[str, ...], limit: int = 8) -> str:
    if not names:
        return ""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f" ({len(names)}): {', '.join(names[:limit])}{more}"


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
