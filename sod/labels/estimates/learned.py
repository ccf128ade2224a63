"""Estimates of a network that has seen good masks with errors made on purpose."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.data.levels import from_levels
from sod.labels.estimates.grids import FINER, Grids
from sod.labels.estimates.made_errors import CHANGES
from sod.nn.decoders.rating import MaskRater
from sod.refinement.masks import mask_iou

STEPS = 400
BATCH = 32
LR = 2e-3
CHUNK = 256
"""Masks that are rated at once."""


def learned_scores(grids: Grids, sure: Sequence[int], seed: int, device: torch.device) -> Tensor:
    """Estimate the IoU of each pseudo-mask with the correct mask.

    The surest pseudo-masks are taken as correct. A network learns the IoU of changed ones with the
    originals. There are two: that of the images of even index rates those of odd index, and the
    other way round, so that no network rates a mask that it was told to be correct.

    Args:
        grids: The images.
        sure: Indices of the surest pseudo-masks.
        seed: Seed of the weights and the changes.
        device: Where to train.

    Returns:
        ``[N]`` in [0, 1].
    """
    masks = from_levels(grids.masks) > 0.5
    scores = torch.zeros(len(masks))
    for half in (0, 1):
        taught = [number for number in sure if number % 2 == half] or list(sure)
        rater = train_rater(grids.features, masks, taught, seed + half, device)
        rows = torch.arange(1 - half, len(masks), 2)
        scores[rows] = rate(rater, grids.features, masks, rows, device)
    return scores


def train_rater(
    features: Tensor, masks: Tensor, sure: Sequence[int], seed: int, device: torch.device
) -> MaskRater:
    """Train a network to tell the IoU of changed masks with the originals.

    Args:
        features: ``[N, C, g, g]``.
        masks: Bool, ``[N, 4 g, 4 g]``.
        sure: Indices of those that are taken as correct, at least one.
        seed: Seed of the weights and the changes.
        device: Where to train.

    Returns:
        The network, in evaluation mode.
    """
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)  # of the CPU alone; the weights are drawn there
        rater = MaskRater(features.shape[1], FINER)
    rater = rater.to(device).train()
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(rater.parameters(), lr=LR, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    rows = torch.tensor(sure)
    for _ in range(STEPS):
        chosen = rows[torch.randint(len(rows), (BATCH,), generator=generator)]
        changed = make_errors(masks, chosen, rows, generator)
        targets = mask_iou(changed, masks[chosen])
        seen = features[chosen].float()
        if torch.rand((), generator=generator) < 0.5:
            seen, changed = seen.flip(-1), changed.flip(-1)
        logits = rater(seen.to(device), changed.to(device))
        loss = F.mse_loss(logits.sigmoid(), targets.to(device))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    return rater.eval()


def make_errors(masks: Tensor, chosen: Tensor, sure: Tensor, generator: torch.Generator) -> Tensor:
    """Return the chosen masks, each with an error of a random kind, bool ``[B, s, s]``."""
    kinds = torch.randint(len(CHANGES), (len(chosen),), generator=generator).tolist()
    others = sure[torch.randint(len(sure), (len(chosen),), generator=generator)]
    rows = zip(kinds, chosen.tolist(), others.tolist(), strict=True)
    return torch.stack([CHANGES[k](masks[own], masks[other], generator) for k, own, other in rows])


@torch.no_grad()
def rate(
    rater: MaskRater, features: Tensor, masks: Tensor, rows: Tensor, device: torch.device
) -> Tensor:
    """Return the estimates for some images by their indices, on the CPU."""
    parts = [
        rater(features[part].to(device), masks[part].to(device)).sigmoid().cpu()
        for part in torch.split(rows, CHUNK)
    ]
    return torch.cat(parts)
