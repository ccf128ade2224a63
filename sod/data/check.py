"""Check of a dataset: reads every file and reports missing, broken and suspicious ones."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from rich.markup import escape
from rich.table import Table

from sod.core.errors import ImageError
from sod.core.names import one_line
from sod.data.benchmarks import Benchmark, Location, find_location
from sod.data.pairing import masks_by_image, pair
from sod.data.reading import Array, grey_fraction, read_image, read_mask
from sod.data.samples import Sample, index_by_name

Level = Literal["defect", "known", "note"]
UNREADABLE = "unreadable"
GREY_NOTE = 0.01  # share of grey pixels above which the threshold of a mask affects results
_COLOURS = {"defect": "red", "known": "yellow", "note": "cyan"}


class Issue(NamedTuple):
    """A finding and the samples it applies to.

    Args:
        level: ``defect``: must be corrected; ``known``: a defect of the published archive, handled
            as ``what`` states; ``note``: for information.
        what: Description of the finding.
        names: The affected samples or files, sorted; empty if it concerns the whole dataset.
    """

    level: Level
    what: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckReport:
    """The contents of a dataset and the findings about it.

    Args:
        name: The dataset's name.
        images: Its folder of images.
        masks: Its folder of masks, or None.
        found: Number of images, without known surplus files.
        paired: Number of those that have a mask.
        expected: Published number of images; None for own data.
        grey: Share of pixels that are neither 0 nor 255, averaged over the masks, in [0, 1].
        issues: The findings.
        groups: Number of groups, the folders that hold the images; 1 for a set without folders.
    """

    name: str
    images: Path
    masks: Path | None
    found: int
    paired: int
    expected: int | None
    grey: float
    issues: tuple[Issue, ...]
    groups: int = 1

    @property
    def defects(self) -> bool:
        """Whether any finding is a defect that must be corrected."""
        return any(issue.level == "defect" for issue in self.issues)


class _Reading(NamedTuple):
    """The result of reading one image and its mask.

    Args:
        name: The sample's name.
        errors: One line per file that cannot be read.
        sizes: Description of both sizes where mask and image differ, or None.
        grey: Share of mask pixels that are neither 0 nor 255, or None without a mask.
        is_zero_one: Whether the largest value of the mask is 1.
        digest: Checksum of the image file, or None if it cannot be read.
    """

    name: str
    errors: list[str]
    sizes: str | None = None
    grey: float | None = None
    is_zero_one: bool = False
    digest: bytes | None = None


def check_dataset(root: Path | str, name: str) -> CheckReport:
    """Check a dataset: image count, pairing, readability, sizes, grey masks and duplicates.

    Args:
        root: The data root.
        name: As for :func:`sod.data.benchmarks.find_dataset`.

    Raises:
        SodError: There is no such dataset.
    """
    location = find_location(Path(root), name)
    images_dir, masks_dir, recursive = location.folders
    surplus = _known(location.benchmark, "surplus")
    all_images = _images_by_name(location)
    images = {key: paths for key, paths in all_images.items() if key not in surplus}
    mask_files = index_by_name(masks_dir, recursive) if masks_dir else {}
    masks = masks_by_image(images, mask_files)
    with ThreadPoolExecutor() as pool:  # decoding releases the interpreter lock
        readings = list(pool.map(lambda key: _read(key, images[key], masks.get(key)), images))
    greys = [reading.grey for reading in readings if reading.grey is not None]
    expected = location.benchmark.count if location.benchmark else None
    groups = Counter(Sample(key, paths[0]).group for key, paths in images.items())
    issues = [
        *_count_issues(expected, len(images)),
        *_group_issues(location.benchmark, groups),
        *_pairing_issues(images, {k: v for k, v in masks.items() if k not in surplus}, location),
        *_name_issues(images, mask_files),
        *_content_issues(readings, _known(location.benchmark, "size mismatch")),
        *_known_issues(location.benchmark, all_images.keys() | masks.keys()),
    ]
    return CheckReport(
        name=location.name,
        images=images_dir,
        masks=masks_dir,
        found=len(images),
        paired=sum(key in masks for key in images),
        expected=expected,
        grey=sum(greys) / len(greys) if greys else 0.0,
        issues=tuple(issues),
        groups=len(groups),
    )


def _images_by_name(location: Location) -> dict[str, list[Path]]:
    """Return the image files by sample name; without masks, each file has a name of its own."""
    images, masks, recursive = location.folders
    if masks is not None:
        return index_by_name(images, recursive)
    return {sample.name: [sample.image] for sample in pair(images, None, recursive).samples}


def render_table(*reports: CheckReport) -> Table:
    """Return a terminal table of reports: a row per dataset, with the number of its findings."""
    table = Table("dataset", "images", "published", "masks", "grey", "findings")
    table.columns[0].overflow = "fold"  # never cut
    for report in reports:
        levels = [issue.level for issue in report.issues for _ in issue.names or ("",)]
        counts = [
            f"[{colour}]{levels.count(level)} {level}[/]"
            for level, colour in _COLOURS.items()
            if level in levels
        ]
        table.add_row(
            escape(one_line(report.name)),
            str(report.found) + (f" in {report.groups} groups" if report.groups > 1 else ""),
            "-" if report.expected is None else str(report.expected),
            str(report.paired),
            f"{report.grey:.2%}",
            ", ".join(counts) or "[green]nothing wrong[/]",
        )
    return table


def finding_lines(*reports: CheckReport) -> list[str]:
    """Return one line of rich's markup per finding; unreadable files are all named, one a line."""
    return [
        f"{escape(one_line(report.name))}: [{_COLOURS[level]}]{level}[/] {escape(one_line(text))}"
        for report in reports
        for level, what, names in report.issues
        for text in (
            [f"{what}: {name}" for name in names]
            if what == UNREADABLE
            else [what + _shortened(names)]
        )
    ]


def _read(name: str, images: Sequence[Path], masks: Sequence[Path] | None) -> _Reading:
    errors: list[str] = []
    shape = digest = None
    try:
        shape = read_image(images[0]).shape[:2]
        digest = hashlib.blake2b(images[0].read_bytes(), digest_size=16).digest()
    except ImageError as error:
        errors.append(str(error))
    read = [_read_mask(path, errors) for path in masks or ()]
    mask = read[0] if read else None
    if mask is None:
        return _Reading(name, errors, digest=digest)
    other = next(
        (m for m in read if m is not None and shape is not None and m.shape != shape), None
    )
    sizes = None
    if shape is not None and other is not None:
        sizes = f"{name} (image {_size(shape)}, mask {_size(other.shape)})"
    return _Reading(name, errors, sizes, grey_fraction(mask), bool(mask.max() == 1), digest)


def _read_mask(path: Path, errors: list[str]) -> Array | None:
    """Return a mask, or None and a further error."""
    try:
        return read_mask(path)
    except ImageError as error:
        errors.append(str(error))
        return None


def _count_issues(expected: int | None, found: int) -> Iterable[Issue]:
    if not found:
        yield Issue("defect", "no images")
    elif expected is not None and found != expected:
        yield Issue("defect", f"{found} images where {expected} are published")


def _group_issues(benchmark: Benchmark | None, groups: Counter[str]) -> Iterable[Issue]:
    """Compare the number of groups with the published one; note groups of a single image."""
    expected = benchmark.groups if benchmark else None
    if expected is not None and groups and len(groups) != expected:
        yield Issue("defect", f"{len(groups)} groups where {expected} are published")
    if len(groups) > 1:
        single = [name or "." for name, count in groups.items() if count == 1]
        yield from _listed("note", "folders with one image, no group for co-saliency", single)


def _pairing_issues(
    images: Mapping[str, list[Path]], masks: Mapping[str, list[Path]], location: Location
) -> Iterable[Issue]:
    if location.folders.masks is None:
        yield Issue("note", "no masks: usable for training and prediction, not for evaluation")
    else:
        yield from _listed("defect", "images without mask", images.keys() - masks.keys())
        yield from _listed("defect", "masks without image", masks.keys() - images.keys())
        several = [key for key in images if len({p.stem for p in masks.get(key, [])}) > 1]
        yield from _listed("note", "images with several masks", several)


def _name_issues(
    images: Mapping[str, list[Path]], masks: Mapping[str, list[Path]]
) -> Iterable[Issue]:
    for kind, index in (("images", images), ("masks", masks)):
        shared = [key for key, paths in index.items() if len(paths) > 1]
        yield from _listed("defect", f"{kind} that share a name", shared)


def _content_issues(readings: Sequence[_Reading], resized: frozenset[str]) -> Iterable[Issue]:
    yield from _listed("defect", UNREADABLE, [e for r in readings for e in r.errors])
    unequal = [r.sizes for r in readings if r.sizes and r.name not in resized]
    yield from _listed("defect", "mask and image differ in size", unequal)
    ones = [r.name for r in readings if r.is_zero_one]
    yield from _listed("defect", "masks of 0 and 1 (a threshold at 128 empties them)", ones)
    grey = [r.name for r in readings if (r.grey or 0) > GREY_NOTE and not r.is_zero_one]
    yield from _listed("note", f"masks with more than {GREY_NOTE:.0%} of grey pixels", grey)
    copies: dict[bytes, list[str]] = {}
    for reading in readings:
        if reading.digest is not None:
            copies.setdefault(reading.digest, []).append(reading.name)
    duplicates = [" = ".join(names) for names in copies.values() if len(names) > 1]
    yield from _listed("note", "identical image files", duplicates)


def _known_issues(benchmark: Benchmark | None, present: Iterable[str]) -> Iterable[Issue]:
    for defect in benchmark.defects if benchmark else ():
        yield from _listed("known", defect.note, defect.names & set(present))
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
