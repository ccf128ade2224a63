"""Initial targets: label-free masks to train on before a head has predictions of its own."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.spectral import normalized_cuts
from sod.spectral.masks import cleaned_component

Kind = Literal["none", "found", "tokencut"]
When = Literal["start", "collapse"]
Role = Literal["term", "targets"]


@dataclass(frozen=True)
class InitialTargetsConfig:
    """Where the first training targets come from.

    Args:
        kind: ``none`` (published PEEKABOO: the head's own random prediction), ``found`` (all but
            FOUND's background) or ``tokencut`` (the object of a normalized cut of the backbone's
            first features).
        steps: Optimiser steps for which they are used; null: the whole training.
        when: From the ``start``, or only after a ``collapse`` that made the guard restart.
        role: ``term``: a loss term of its own, as in FOUND; ``targets``: they replace the targets
            of the segmenter and of the masked image, and the sharpening term is off meanwhile.
        weight: Weight of the term.
        tau: Threshold on the cosine of two features; TokenCut publishes 0.2, FOUND 0.3.
        weight_images: Weight images by the contrast of their refined masks.
        clean_up: Reassign the tokens to the mean features of object and rest after the cut.
    """

    kind: Kind = "none"
    steps: int | None = 100
    when: When = "start"
    role: Role = "term"
    weight: float = 1.0
    tau: float = 0.3
    weight_images: bool = False
    clean_up: bool = False

    def __post_init__(self) -> None:
        """Reject unknown names."""
        for field, value, known in (
            ("kind", self.kind, get_args(Kind)),
            ("when", self.when, get_args(When)),
            ("role", self.role, get_args(Role)),
        ):
            if value not in known:
                raise SodError(f"initial_targets.{field}: '{value}' is none of {', '.join(known)}")


def tokencut_masks(features: Tensor, tau: float, clean_up: bool = False) -> Tensor:
    """Return TokenCut's object of each image, the component of the seed.

    Args:
        features: ``[B, C, h, w]``.
        tau: Threshold on the cosine similarity.
        clean_up: Clean the cut up by two centroids.

    Returns:
        Bool ``[B, 1, h, w]``; empty where nothing stands out.
    """
    pairs = zip(normalized_cuts(features, tau), features, strict=True)
    objects = [cleaned_component(cut, each) if clean_up else cut.component for cut, each in pairs]
    return torch.stack(objects)[:, None]
