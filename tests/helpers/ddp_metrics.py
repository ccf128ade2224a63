"""One process of the distributed metric test, which measures its share and writes the results."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.metric_cases import blob, maps
from sod.metrics import PROTOCOLS, SaliencyMetrics
from sod.metrics.corloc import CorLoc, saliency_box

IMAGES = 5


def share(rank: int, processes: int, uneven: bool) -> list[int]:
    """Return the images of one of two processes: 3 and 2, or if ``uneven`` all and none."""
    if uneven and processes > 1:
        return list(range(IMAGES)) if rank == 0 else []
    return list(range(rank, IMAGES, processes))


def measure_share(indices: list[int]) -> dict[str, Any]:
    """Return the metrics of the images, synchronised over all processes."""
    mask = blob((40, 50), (0.5, 0.4), 0.3)
    pictures = list(maps(mask, np.random.default_rng(0)).values())[6 : 6 + IMAGES]
    metrics = {name: SaliencyMetrics(name) for name in PROTOCOLS}
    corloc = CorLoc()
    for index in indices:
        saliency, truth = torch.from_numpy(pictures[index]).float() / 255, torch.from_numpy(mask)
        for metric in metrics.values():
            metric.update(saliency, truth)
        corloc.update(saliency_box(saliency), torch.tensor([[8.0, 8.0, 32.0, 32.0]]))
    return {
        "rows": {name: metric.compute() for name, metric in metrics.items()},
        "curves": {name: metric.curves()["f"].tolist() for name, metric in metrics.items()},
        "corloc": corloc.compute().item(),
        "own": int(metrics["pysod"].images),
    }


def measure_as_rank(rank: int, processes: int, folder: Path) -> None:
    """Measure the share of one of several processes, and write the results to a file."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=processes
    )
    results = [measure_share(share(rank, processes, uneven)) for uneven in (False, True)]
    (folder / f"{processes}-{rank}.json").write_text(json.dumps(results))
    torch.distributed.destroy_process_group()
