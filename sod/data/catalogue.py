"""The table of public benchmarks: names, image counts, folder names and known defects."""

import re
from dataclasses import dataclass
from typing import Literal

from sod.core.errors import SodError, suggest

Kind = Literal["wrong mask", "size mismatch", "surplus"]


@dataclass(frozen=True)
class KnownDefect:
    """A defect of a published archive.

    A ``wrong mask`` is kept, since published counts include it, and reported. A ``size mismatch``
    is kept, and its mask is resized to the image by nearest neighbour. A ``surplus`` file is left
    out.

    Args:
        kind: The type of defect, which determines how it is handled.
        names: The names of the affected samples.
        note: One line for the user, with the source.
    """

    kind: Kind
    names: frozenset[str]
    note: str


@dataclass(frozen=True)
class Benchmark:
    """One public benchmark.

    Args:
        name: The name used in tables.
        count: Published number of images, each with one mask.
        aliases: Other names of its root folder, compared without case, ``-``, ``_`` and spaces.
        folders: Its published (images, masks) folder names.
        defects: Known defects of the published archives.
        remarks: Other facts that matter when results are compared.
        groups: Published number of groups, each a sub-folder; None for a set without groups.
    """

    name: str
    count: int
    aliases: tuple[str, ...] = ()
    folders: tuple[tuple[str, str], ...] = ()
    defects: tuple[KnownDefect, ...] = ()
    remarks: tuple[str, ...] = ()
    groups: int | None = None

    @property
    def keys(self) -> frozenset[str]:
        """The simplified forms of the name and its aliases."""
        return frozenset(map(simplified, (self.name, *self.aliases)))


_WRONG = frozenset({"ILSVRC2012_test_00036002", "sun_bcogaqperiljqupq"})

BENCHMARKS = (
    Benchmark(
        name="DUTS-TR",
        count=10_553,
        aliases=("DUTS-Train",),
        folders=(("DUTS-TR-Image", "DUTS-TR-Mask"),),
        defects=(
            KnownDefect(
                "size mismatch",
                frozenset(
                    {"ILSVRC2014_train_00023530", "n04442312_17818", "n01532829_13482"},
                ),
                "mask and image differ in size in the published archive (PoolNet#34); "
                "the mask is resized to the image",
            ),
        ),
    ),
    Benchmark(
        name="DUTS-TE",
        count=5_019,
        aliases=("DUTS-Test",),
        folders=(("DUTS-TE-Image", "DUTS-TE-Mask"),),
        defects=(
            KnownDefect(
                "wrong mask",
                _WRONG,
                "the mask of the early release belongs to another image (CPD#19, MINet#3); "
                "kept, as in most papers; some score 5,017 images without them",
            ),
            KnownDefect(
                "surplus",
                frozenset(f"m{name}" for name in _WRONG),
                "leftover of the early release; left out",
            ),
        ),
    ),
    Benchmark(name="ECSSD", count=1_000, folders=(("images", "ground_truth_mask"),)),
    Benchmark(
        name="DUT-OMRON",
        count=5_168,
        aliases=("DUTS-OMRON", "DUT-O", "OMRON"),
        folders=(
            ("DUT-OMRON-image", "pixelwiseGT-new-PNG"),
            ("DUT-OMRON-image", "DUT-OMRON-gt-pixelwise/pixelwiseGT-new-PNG"),
            ("DUT-OMRON-image", "DUT-OMRON-gt-pixelwise.zip/pixelwiseGT-new-PNG"),
        ),
        remarks=(
            "published prediction packs often miss sun_akxddynsopjifavt and sun_barwtmnxkuxyttlj "
            "(PoolNet#23, PoolNet#39)",
            "one mirror holds only 1,600 masks (SODsurvey#8)",
        ),
    ),
    Benchmark(name="HKU-IS", count=4_447, folders=(("HKU-IS/imgs", "HKU-IS/gt"),)),
    Benchmark(
        name="PASCAL-S",
        count=850,
        folders=(
            ("datasets/imgs/pascal", "datasets/masks/pascal"),
            ("imgs/pascal", "masks/pascal"),
        ),
        remarks=("some papers drop five images (MINet#3); all 850 are kept here",),
    ),
    Benchmark(name="CoCA", count=1_295, groups=80, folders=(("image", "binary"),)),
    Benchmark(name="CoSal2015", count=2_015, groups=50, folders=(("Image", "GroundTruth"),)),
    Benchmark(
        name="CoSOD3k", count=3_316, groups=160, folders=(("image", "groundtruth"), ("image", "gt"))
    ),
)


def simplified(name: str) -> str:
    """Return a name in lower case without spaces, hyphens and underscores."""
    return re.sub(r"[-_\s]", "", name).lower()


def benchmark_called(name: str) -> Benchmark | None:
    """Return the benchmark with this name or alias, in any spelling; None if there is none."""
    return next((b for b in BENCHMARKS if simplified(name) in b.keys), None)


def unknown_dataset(name: str) -> SodError:
    """Return the error for a name that is neither a benchmark nor a folder."""
    known = ["builtin", *(b.name for b in BENCHMARKS)]
    return SodError(
        f"unknown dataset '{name}': neither a folder nor one of {', '.join(known)}."
        + (suggest(name, known) or suggest(name.upper(), known))
    )
