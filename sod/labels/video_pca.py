"""VideoPCA: the object of a video is what its background model cannot explain.

Frames are reconstructed from the principal components of all frames, which model the background.
The smoothed reconstruction error is large on moving objects. It is then refined by the colour
distributions of foreground and background.

Source: Stretcu and Leordeanu, BMVC 2015; the first teacher of Croitoru et al., IJCV 2019. These two
steps and their order are the paper's. Two parts differ from it:

- **Error**: each pixel's distance from its median over the frames is added to its reconstruction
  error. The paper uses the reconstruction error alone.
- **Colour model**: error and colour are combined by Bayes' rule as if they were independent, with
  colour histograms that are weighted by the current probabilities and re-estimated ``ROUNDS``
  times. Histogram bins, prior and number of rounds are this project's own.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

BINS = 12
"""Levels of each colour channel in the histograms."""
ROUNDS = 4
"""Number of times that the colour histograms are re-estimated from the current probabilities."""


def video_pca(frames: Tensor, components: int = 8, smoothing: float = 0.02) -> Tensor:
    """Return the probability of each pixel to belong to an object.

    Args:
        frames: RGB in [0, 1], ``[T, 3, H, W]``.
        components: Principal components that model the background, at most a quarter of the number
            of frames: in a short video, more would model the object too.
        smoothing: Standard deviation of the Gaussian that smooths maps, as a share of the width.

    Returns:
        ``[T, H, W]`` in [0, 1]; the prior is that half of the colours are an object's.
    """
    sigma = smoothing * frames.shape[-1]
    error = _smoothed(_reconstruction_error(frames, components), sigma)
    # An error of twice the video's mean has the probability one half.
    motion = error / (error + 2 * error.mean()).clamp(min=1e-8)
    levels = (frames * (BINS - 1)).round().long()
    colours = ((levels[:, 0] * BINS + levels[:, 1]) * BINS + levels[:, 2]).flatten()
    saliency = motion
    for _ in range(ROUNDS):
        colour = _smoothed(_colour_probability(colours, saliency), sigma)
        foreground, background = colour * motion, (1 - colour) * (1 - motion)
        saliency = foreground / (foreground + background).clamp(min=1e-8)
    return saliency.float()


def _smoothed(maps: Tensor, sigma: float) -> Tensor:
    """Convolve maps ``[T, H, W]`` with a Gaussian; border pixels are replicated."""
    reach = max(1, round(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=maps.dtype, device=maps.device)
    kernel = (-0.5 * (offsets / max(sigma, 1e-3)).square()).exp()
    kernel = kernel / kernel.sum()
    padded = F.pad(maps[:, None], (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(padded, kernel.view(1, 1, 1, -1))
    return F.conv2d(across, kernel.view(1, 1, -1, 1))[:, 0]


def _reconstruction_error(frames: Tensor, components: int) -> Tensor:
    """Return each pixel's distance from its background model, ``[T, H, W]`` in float64.

    It is the sum of the distance from the PCA reconstruction, as published, and of the distance
    from the median over the frames.
    """
    flat = frames.double().flatten(1)
    centred = flat - flat.mean(0)
    # The components of few long vectors follow from their small matrix of inner products.
    _, vectors = torch.linalg.eigh(centred @ centred.T)
    basis = vectors[:, -min(components, max((len(flat) - 1) // 4, 1)) :]
    residual = centred - basis @ (basis.T @ centred)
    # An object in a single frame shifts the mean and so explains itself: the distance from the
    # median is added.
    unusual = flat - flat.median(0).values
    error: Tensor = residual.view(frames.shape).norm(dim=1) + unusual.view(frames.shape).norm(dim=1)
    return error


def _colour_probability(colours: Tensor, saliency: Tensor) -> Tensor:
    """Return the probability of each pixel's colour to be the object's.

    Args:
        colours: Histogram bin of each pixel, ``[T·H·W]``.
        saliency: Current probability of each pixel, ``[T, H, W]`` in [0, 1].
    """
    weights = saliency.flatten()
    empty = saliency.new_zeros(BINS**3)
    inside = empty.index_add(0, colours, weights)
    outside = empty.index_add(0, colours, 1 - weights)
    inside, outside = (each / each.sum().clamp(min=1e-8) for each in (inside, outside))
    shares = (inside + 1e-6) / (inside + outside + 2e-6)
    return shares[colours].view(saliency.shape)
