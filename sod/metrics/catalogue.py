"""All measures by name: heading, direction, and what they are computed from."""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from torch import Tensor

from sod.core.errors import SodError, suggest
from sod.core.registry import Registry

Averaging = Literal["", "adaptive", "mean", "max", "overall"]


class Measure(NamedTuple):
    """One measure.

    Attributes:
        name: Name in ``--measures`` and in files.
        heading: Heading in tables.
        family: Function of pixel counts, or the measure's own name.
        averaging: Of a family: at threshold 0.5, at the adaptive threshold, mean or maximum over
            thresholds, or of the pixels of the whole data set at 0.5; empty for other measures too.
        lower_is_better: Whether small values are good.
    """

    name: str
    heading: str
    family: str
    averaging: Averaging = ""
    lower_is_better: bool = False


_SINGLE = (
    Measure("mae", "MAE", "mae", lower_is_better=True),
    Measure("weighted_f", "wF", "weighted_f"),
    Measure("s_measure", "S", "s_measure"),
    Measure("boundary_iou", "BIoU", "boundary_iou"),
    Measure("boundary_f", "BF", "boundary_f"),
    Measure("hce", "HCE", "hce", lower_is_better=True),
    Measure("context", "CM", "context"),
    Measure("camouflage_context", "CCM", "camouflage_context"),
    Measure("si_mae", "siMAE", "si_mae", lower_is_better=True),
    Measure("auc_roc", "ROC", "auc_roc"),
    Measure("auc_pr", "AP", "auc_pr"),
)
_ALL: tuple[Averaging, ...] = ("", "adaptive", "mean", "max", "overall")
_PER_IMAGE = _ALL[:-1]
_PREFIXES = {"": "", "adaptive": "adp", "mean": "mean", "max": "max", "overall": "ov"}
FAMILIES: dict[str, tuple[str, tuple[Averaging, ...], bool]] = {
    "f": ("F", _ALL, False),
    "e": ("E", _PER_IMAGE, False),
    "iou": ("IoU", _ALL, False),
    "accuracy": ("Acc", _ALL, False),
    "precision": ("P", _ALL, False),
    "recall": ("R", _ALL, False),
    "dice": ("Dice", _ALL, False),
    "ber": ("BER", _ALL, True),
    "kappa": ("Kappa", _ALL, False),
    "fpr": ("FPR", _ALL, True),
    "specificity": ("Spec", _ALL, False),
    "si_f": ("siF", _ALL, False),
    "si_iou": ("siIoU", _ALL, False),
    "msiou": ("MSIoU", _PER_IMAGE, False),
}
"""Heading, averagings, and whether small values are good, of each family."""


def _measures() -> Iterable[Measure]:
    yield from _SINGLE
    for family, (heading, averagings, lower) in FAMILIES.items():
        for averaging in averagings:
            name = f"{averaging}_{family}".lstrip("_")
            yield Measure(name, _PREFIXES[averaging] + heading, family, averaging, lower)


CATALOGUE: dict[str, Measure] = {measure.name: measure for measure in _measures()}

MEASURES = (
    *("mae", "iou", "accuracy", "max_f", "mean_f", "adaptive_f", "weighted_f", "s_measure"),
    *("max_e", "mean_e", "adaptive_e", "boundary_iou", "msiou"),
)
"""The default measures."""
GROUPS = {
    "default": MEASURES,
    "boundary": ("boundary_iou", "boundary_f", "msiou", "adaptive_msiou", "hce"),
    "size": ("si_mae", "si_f", "max_si_f", "mean_si_f", "si_iou"),
    "context": ("context", "camouflage_context"),
    "all": (*MEASURES, *(name for name in CATALOGUE if name not in MEASURES)),
}
"""Names that stand for several measures in ``--measures``."""


class OwnMeasure(NamedTuple):
    """A measure of another package; that of a data set is the mean over its images.

    Attributes:
        compute: Maps saliency, float64 ``[H, W]`` in [0, 1], and the mask, bool ``[H, W]``, after
            the protocol's rules, to a finite number. A mask may be empty.
        heading: Heading in tables.
        lower_is_better: Whether small values are good.
    """

    compute: Callable[[Tensor, Tensor], Tensor | float]
    heading: str
    lower_is_better: bool = False


class _OwnMeasures(Registry[OwnMeasure]):
    """The measures of other packages; each is listed in ``CATALOGUE`` too."""

    def register(self, name: str, item: OwnMeasure) -> None:
        """Add a measure, as :meth:`Registry.register`.

        Raises:
            SodError: The name is that of another measure or group, or no plain name.
        """
        if name not in self and (name in CATALOGUE or name in GROUPS or not name.isidentifier()):
            raise SodError(f"measure '{name}': the name is taken or no name; choose another one.")
        super().register(name, item)
        entry = Measure(name, item.heading, name, lower_is_better=item.lower_is_better)
        CATALOGUE[name] = entry


OWN_MEASURES = _OwnMeasures("measure", {})
"""The measures of other packages by name; ``OWN_MEASURES.register`` adds one."""


def select_measures(text: str) -> tuple[str, ...]:
    """Return the measures of ``all|NAME,NAME``, where a name may be one of ``GROUPS``.

    Raises:
        SodError: A name is unknown, or there is none.
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    chosen: dict[str, None] = {}
    for name in names:
        if name not in GROUPS and name not in CATALOGUE:
            known = [*GROUPS, *CATALOGUE]
            raise SodError(
                f"--measures {name}: unknown measure.{suggest(name, known)} Groups are "
                f"{', '.join(GROUPS)}; single ones are {', '.join(MEASURES)}, ..."
            )
        chosen |= dict.fromkeys(GROUPS.get(name, (name,)))
    if not chosen:
        raise SodError("--measures: names none; give 'default', 'all' or names.")
    return tuple(chosen)
