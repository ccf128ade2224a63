"""Label-free starts: a first opinion on where the object is, before the head has one."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.spectral import normalized_cut

StartKind = Literal["none", "found", "tokencut"]
When = Literal["first", "collapse"]
Role = Literal["term", "targets"]

FAINT = 0.05
"""Refined saliency below this says nothing of the object."""


@dataclass(frozen=True)
class StartConfig:
    """Where the first targets come from.

    Args:
        kind: ``none`` (published PEEKABOO: the head starts from its own random opinion), ``found``
            (what is not FOUND's background) or ``tokencut`` (the object of a normalized cut of the
            backbone's first features).
        steps: Optimiser steps that it lasts; null: the whole training.
        when: ``first``, or only after a ``collapse`` that made the guard start over.
        role: ``term``: a loss term of its own, as FOUND has it; ``targets``: it replaces the
            targets of the segmenter and the hidden part, and nothing is sharpened meanwhile.
        weight: Weight of the term.
        tau: Threshold on the cosine of two features; TokenCut publishes 0.2, FOUND 0.3.
        trust: Weigh images by how clearly the refined start stands out from the border.
    """

    kind: StartKind = "none"
    steps: int | None = 100
    when: When = "first"
    role: Role = "term"
    weight: float = 1.0
    tau: float = 0.3
    trust: bool = False

    def __post_init__(self) -> None:
        """Refuse unknown names, naming the field."""
        for field, value, known in (
            ("kind", self.kind, get_args(StartKind)),
            ("when", self.when, get_args(When)),
            ("role", self.role, get_args(Role)),
        ):
            if value not in known:
                raise SodError(f"start.{field}: '{value}' is none of {', '.join(known)}")


def tokencut_masks(features: Tensor, tau: float) -> Tensor:
    """Return TokenCut's object of each image, the seed's component.

    Args:
        features: ``[B, C, h, w]``.
        tau: Threshold on the cosine similarity.

    Returns:
        Bool ``[B, 1, h, w]``; empty where nothing stands out.
    """
    return torch.stack([normalized_cut(tokens, tau).component for tokens in features])[:, None]


def trust_in(refined: Tensor) -> Tensor:
    """Weigh images by how clearly a refined mask stands out from the border of its image.

    The contrast is the mean of the refined mask where there is any of it, minus its mean on the
    border; 0.2 and less gives the weight 0.1, 0.7 and more gives 1, a straight line in between.

    Args:
        refined: The bilateral solver's output in [0, 1], ``[B, 1, H, W]``.

    Returns:
        Weights ``[B]`` in [0.1, 1].
    """
    soft = refined[:, 0]
    object_ = (soft > FAINT).float()
    inside = (soft * object_).sum((1, 2)) / object_.sum((1, 2)).clamp(min=1)
    sides = [soft[:, 0], soft[:, -1], soft[:, 1:-1, 0], soft[:, 1:-1, -1]]
    contrast = inside - torch.cat(sides, 1).mean(1)
    return ((contrast - 0.2) / 0.5).clamp(0.1, 1)
