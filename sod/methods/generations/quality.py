"""Training and use of the quality network, on thumbnails of images and maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.distributed import gather, rank_and_world_size
from sod.data.levels import from_levels, to_levels
from sod.data.maps import read_map
from sod.data.samples import Sample
from sod.labels.consensus import agreements
from sod.labels.store import LabelStore
from sod.methods.generations.images import ImageCache
from sod.nn.decoders.quality import QualityConfig, QualityNetwork, resize_square

CHUNK = 256
"""Maps that are scored at once."""


@dataclass
class Thumbnails:
    """Images and the maps of several members, small enough to keep all of them.

    Attributes:
        images: uint8 ``[N, 3, s, s]``.
        maps: uint8 ``[N, M, s, s]``, 255 times the saliency.
    """

    images: Tensor
    maps: Tensor

    def agreement(self) -> Tensor:
        """Return each member's agreement with the others on each image, ``[N, M]`` in [0, 1]."""
        return torch.stack([agreements(from_levels(maps)) for maps in self.maps])

    def pair(self, images: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
        """Return images ``[B, 3, s, s]`` and maps ``[B, 1, s, s]`` by their indices, in [0, 1]."""
        return from_levels(self.images[images]), from_levels(self.maps[images, members][:, None])


def read_thumbnails(
    samples: Sequence[Sample], stores: Mapping[str, LabelStore], images: ImageCache
) -> Thumbnails:
    """Read images and the maps of stores; each process reads its share.

    Args:
        samples: The images.
        stores: The maps of each member.
        images: Provides the images.
    """
    rank, processes = rank_and_world_size()
    own = range(rank, len(samples), processes)
    size = images.thumbnail_size
    parts = gather(
        [
            (index, images.thumbnail(samples[index].image), _maps(samples[index], stores, size))
            for index in own
        ]
    )
    parts.sort(key=lambda part: part[0])
    return Thumbnails(torch.stack([p[1] for p in parts]), torch.stack([p[2] for p in parts]))


def train_quality_network(
    thumbnails: Thumbnails, config: QualityConfig, seed: int, device: torch.device
) -> QualityNetwork:
    """Train the quality network to predict a map's agreement with the other members' maps.

    Args:
        thumbnails: Images and maps.
        config: The network and its training.
        seed: Seed of its weights and of the order of the maps.
        device: Where to train.

    Returns:
        The network, on the device, in evaluation mode.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = QualityNetwork(config).to(device).train()
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    targets = thumbnails.agreement()
    count, members = targets.shape
    for _ in range(config.steps):
        chosen = torch.randint(count * members, (config.batch_size,), generator=generator)
        rows, columns = chosen // members, chosen % members
        images, maps = (each.to(device) for each in thumbnails.pair(rows, columns))
        if torch.rand((), generator=generator) < 0.5:
            images, maps = images.flip(-1), maps.flip(-1)
        logits = network(images, maps)
        loss = F.mse_loss(logits.sigmoid(), targets[rows, columns].to(device))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    return network.eval()


@torch.no_grad()
def quality_scores(network: QualityNetwork, thumbnails: Thumbnails) -> Tensor:
    """Return the network's score of each map, ``[N, M]`` in [0, 1], on the CPU."""
    device = next(network.parameters()).device
    columns = []
    for member in range(thumbnails.maps.shape[1]):
        parts = [
            network(
                *(each.to(device) for each in thumbnails.pair(rows, torch.full_like(rows, member)))
            )
            for rows in torch.split(torch.arange(len(thumbnails.images)), CHUNK)
        ]
        columns.append(torch.cat(parts).sigmoid().cpu())
    return torch.stack(columns, dim=1)


def _maps(sample: Sample, stores: Mapping[str, LabelStore], size: int) -> Tensor:
    """Return the maps of one image, uint8 ``[M, s, s]``."""
    maps = [read_map(store.path(sample.name))[None, None] for store in stores.values()]
    return torch.cat([to_levels(resize_square(each, size)[0]) for each in maps])
