"""Calibration of maps: a temperature of their logit, applied after the refinement."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.refinement.kinds import Refinement, refine

KEY = "calibration"
"""Key of a checkpoint or an exported model that holds the calibrations."""


@dataclass(frozen=True)
class Calibration:
    """How the values of a map are changed: ``sigmoid(logit(s) / temperature)``.

    The order of the values stays, and so does a map's mask at 0.5.

    Args:
        temperature: Below 1 maps become more certain, above 1 less; more than 0.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Reject a temperature that is none."""
        if not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise SodError(f"calibration: the temperature {self.temperature} is not above 0.")


Calibrations: TypeAlias = Mapping[Refinement, Calibration]
"""The calibration of a model's maps by their refinement; those of others are left as they are."""

NONE: Calibrations = {}
"""No calibration of any map."""


def calibrated(saliency: Tensor, calibration: Calibration) -> Tensor:
    """Return calibrated saliency.

    Args:
        saliency: Of any shape, in [0, 1]; 0 and 1 stay as they are.
        calibration: The temperature.

    Returns:
        The same shape and type, in [0, 1].
    """
    logits = torch.logit(saliency.float().clamp(0, 1))
    return (logits / calibration.temperature).sigmoid().to(saliency.dtype)


def finished(
    images: Tensor, saliency: Tensor, kind: Refinement, calibrations: Calibrations = NONE
) -> Tensor:
    """Return refined saliency, calibrated if there is a calibration for this refinement.

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``.
        saliency: ``[B, 1, H, W]`` in [0, 1].
        kind: Name of the refinement.
        calibrations: By refinement.

    Returns:
        ``[B, 1, H, W]`` in [0, 1].

    Raises:
        SodError: There is no such refinement.
    """
    refined = refine(images, saliency, kind)
    return calibrated(refined, calibrations[kind]) if kind in calibrations else refined


def stated(calibrations: Calibrations) -> dict[str, Any]:
    """Return the entry of a file that holds calibrations, as primitives; empty without any."""
    fields = {kind: asdict(each) for kind, each in calibrations.items()}
    return {KEY: fields} if fields else {}


def read_calibrations(content: Mapping[str, Any], where: str) -> Calibrations:
    """Return the calibrations that a file holds.

    Args:
        content: The content of the file, or of its metadata.
        where: The file, for messages.

    Raises:
        SodError: They are damaged.
    """
    entry = content.get(KEY, {})
    try:
        return {
            str(kind): Calibration(float(fields["temperature"])) for kind, fields in entry.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError, SodError) as error:
        raise SodError(f"{where}: is damaged: its calibration is no table of numbers.") from error
