"""The selection network learns from the students' agreement how good a map is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.data.reading import read_image
from sod.data.samples import Sample
from sod.evaluation.saved_maps import read_map
from sod.labels.consensus import agreements
from sod.labels.store import LabelStore
from sod.nn.decoders.quality import EvalSegConfig, EvalSegNet, shrunk

CHUNK = 256


@dataclass
class Thumbnails:
    """Images and what each of several models says of them, small enough to keep many.

    Attributes:
        images: uint8 ``[N, 3, s, s]``.
        maps: uint8 ``[N, M, s, s]``, 255 times the saliency.
    """

    images: Tensor
    maps: Tensor

    def agreement(self) -> Tensor:
        """Return how far each model agrees with the others on each image, ``[N, M]``."""
        return torch.stack([agreements(maps.float() / 255) for maps in self.maps])

    def pair(self, images: Tensor, models: Tensor) -> tuple[Tensor, Tensor]:
        """Return images ``[B, 3, s, s]`` and maps ``[B, 1, s, s]`` by their numbers, in [0, 1]."""
        return self.images[images].float() / 255, self.maps[images, models][:, None].float() / 255


def thumbnails(
    samples: Sequence[Sample], stores: Mapping[str, LabelStore], size: int
) -> Thumbnails:
    """Read images and stored maps as squares.

    Args:
        samples: Whose images and maps.
        stores: The maps of each model.
        size: Side of the squares in pixels.
    """
    images, maps = [], []
    for sample in samples:
        image = torch.from_numpy(read_image(sample.image)).permute(2, 0, 1)[None].float()
        images.append(_bytes(shrunk(image, size))[0])
        found = [read_map(store.path(sample.name))[None, None] for store in stores.values()]
        maps.append(torch.cat([_bytes(255 * shrunk(each, size))[0] for each in found]))
    return Thumbnails(torch.stack(images), torch.stack(maps))


def train_evalseg(
    seen: Thumbnails, config: EvalSegConfig, seed: int, device: torch.device
) -> EvalSegNet:
    """Train the selection network to predict a map's agreement with the other students' maps.

    Args:
        seen: Images and maps.
        config: The network and its training.
        seed: Of its weights and of the order of the maps.
        device: Where to train.

    Returns:
        The network, on the device, in evaluation mode.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network = EvalSegNet(config).to(device).train()
    generator = torch.Generator().manual_seed(seed)
    adamw = torch.optim.AdamW(network.parameters(), lr=config.lr)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adamw, config.steps)
    targets = seen.agreement()
    count, models = targets.shape
    for _ in range(config.steps):
        chosen = torch.randint(count * models, (config.batch_size,), generator=generator)
        numbers, who = chosen // models, chosen % models
        images, maps = (each.to(device) for each in seen.pair(numbers, who))
        if torch.rand((), generator=generator) < 0.5:
            images, maps = images.flip(-1), maps.flip(-1)
        logits = network(images, maps)
        loss = F.mse_loss(logits.sigmoid(), targets[numbers, who].to(device))
        adamw.zero_grad()
        torch.autograd.backward(loss)
        adamw.step()
        falling.step()
    return network.eval()


@torch.no_grad()
def evalseg_scores(network: EvalSegNet, seen: Thumbnails) -> Tensor:
    """Return the network's score of each map, ``[N, M]`` in [0, 1], on the CPU."""
    device = next(network.parameters()).device
    columns = []
    for model in range(seen.maps.shape[1]):
        parts = [
            network(*(each.to(device) for each in seen.pair(part, torch.full_like(part, model))))
            for part in torch.split(torch.arange(len(seen.images)), CHUNK)
        ]
        columns.append(torch.cat(parts).sigmoid().cpu())
    return torch.stack(columns, dim=1)


def _bytes(levels: Tensor) -> Tensor:
    return levels.clamp(0, 255).round().byte()
