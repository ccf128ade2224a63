"""TokenCut's cuts of all ECSSD images against a plain reference, with a batch, without a matrix.

    python benchmarks/same_results.py --shared ../shared [--images 500]

The reference follows the published code step by step in float64: cosines of the same features,
the threshold, ``scipy.linalg.eigh`` of the dense generalized problem, the mean, the side of the
largest magnitude, its connected component. All results are compared with the program's single cuts.
"""

import argparse
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.linalg
import scipy.ndimage
import torch
from common import ROOT, conditions, listed, versions
from numpy.typing import NDArray
from torch import Tensor

import sod.methods  # noqa: F401 - registers the methods
from sod.data.reading import read_image, to_tensor
from sod.engine.building import build_from_config
from sod.methods.tokencut import TokenCut
from sod.nn.resize import lanczos_resize, saliency_size
from sod.refinement.masks import seed_component
from sod.spectral import affinity, bipartition, normalized_cut
from sod.spectral.cut import cut_implicit
from sod.spectral.eigen import first_peak
from sod.spectral.implicit import ImplicitGraph
from sod.spectral.lanczos import lanczos_together

CONFIG = "configs/tokencut.yaml+benchmarks/standin.yaml"
TOGETHER = 16
"""Graphs of a batch."""
Mask = NDArray[np.bool_]
"""Sides and component of a cut, ``[2, h, w]``."""


@dataclass(frozen=True)
class Reference:
    """The cut of the published code: masks, gap to the next eigenvalue, cosines next to tau."""

    masks: Mask
    gap: float
    ties: int


def reference(features: Tensor, tau: float, eps: float) -> Reference:
    """Cut an image by its features ``[C, h, w]`` as the published code does."""
    grid = tuple(features.shape[1:])
    tokens = features.flatten(1).T.double().numpy()
    tokens /= np.linalg.norm(tokens, axis=1, keepdims=True)
    cosines = tokens @ tokens.T
    weights = np.where(cosines > tau, 1.0, eps)
    degrees = np.diag(weights.sum(1))
    values, vectors = scipy.linalg.eigh(degrees - weights, degrees, subset_by_index=[1, 2])
    vector = vectors[:, 0]
    side, seed = vector > vector.mean(), int(np.argmax(np.abs(vector)))
    side = side if side[seed] else ~side
    labels, _ = scipy.ndimage.label(side.reshape(grid))
    component = labels == labels.flat[seed]
    ties = int((np.abs(cosines - tau) < 1e-6).sum()) // 2
    return Reference(np.stack([side.reshape(grid), component]), values[1] - values[0], ties)


def together(features: Tensor, tau: float, eps: float) -> list[Mask]:
    """Cut images of one size ``[B, C, h, w]`` by the steps of a GPU: one Lanczos iteration."""
    grid = features.shape[2:]
    weights = affinity(features.flatten(2).mT, tau, eps)
    roots = weights.sum(-1).sqrt()
    found = lanczos_together(weights, roots)
    assert all(vector is not None for vector in found)  # noqa: S101 - else nothing is compared
    vectors = torch.stack([vector for vector in found if vector is not None]) / roots
    sides = bipartition(vectors).view(-1, 1, *grid)
    both = torch.cat([sides, seed_component(sides, first_peak(vectors))], 1)
    return list(both.numpy())


def single(features: Tensor, tau: float, eps: float, matrix: bool = True) -> Mask:
    """Cut an image by the program, with the matrix of its graph or without."""
    grid = (features.shape[1], features.shape[2])
    tokens = features.flatten(1).T
    cut = (
        normalized_cut(features, tau, eps)
        if matrix
        else cut_implicit(ImplicitGraph(tokens, tau, eps), grid)
    )
    return torch.stack([cut.partition, cut.component]).numpy()


def features_by_size(
    method: TokenCut, images: list[Path]
) -> dict[tuple[int, int], list[tuple[str, Tensor]]]:
    """Return name and features ``[C, h, w]`` of the images, those of one size together."""
    groups = defaultdict(list)
    for path in images:
        image = to_tensor(read_image(path))[None]
        size = saliency_size(image.shape[-2], image.shape[-1], method.backbone.patch_size)
        groups[size].append((path.stem, method.backbone(lanczos_resize(image, size))[0]))
    return groups


class Count:
    """Images whose side and component are equal, and a line on each other one."""

    def __init__(self, name: str) -> None:
        self.name, self.images, self.lines = name, 0, list[str]()
        self.same = np.zeros(2, int)

    def add(self, image: str, left: Mask, right: Mask, note: str = "") -> None:
        """Compare the masks of an image."""
        tokens = (left != right).sum((1, 2))
        self.images += 1
        self.same += tokens == 0
        if tokens.any():
            self.lines.append(
                f"- {self.name}, {image}: {tokens[0]} of {left[0].size} tokens on another side, "
                f"{tokens[1]} differ in the component{note}"
            )

    def row(self) -> str:
        """Return the row of the table."""
        side, component = (f"{same} of {self.images}" for same in self.same)
        return f"| {self.name} | {side} | {component} |"


def compare(method: TokenCut, images: list[Path]) -> tuple[list[Count], list[float]]:
    """Compare the cuts of all images, and return the eigenvalue gaps too."""
    counts = [Count(name) for name in ("reference", "batch", "without the matrix")]
    tau, eps, gaps = method.tau, method.eps, []
    for group in features_by_size(method, images).values():
        for first in range(0, len(group), TOGETHER):
            names, features = zip(*group[first : first + TOGETHER], strict=True)
            batch = together(torch.stack(features), tau, eps)
            for name, each, batched in zip(names, features, batch, strict=True):
                ours, theirs = single(each, tau, eps), reference(each, tau, eps)
                note = f"; gap {theirs.gap:.1e}, {theirs.ties} cosines within 1e-6 of τ"
                counts[0].add(name, ours, theirs.masks, note)
                counts[1].add(name, ours, batched)
                counts[2].add(name, ours, single(each, tau, eps, matrix=False))
                gaps.append(theirs.gap)
    return counts, gaps


def main() -> None:
    """Compare all images and write ``results/same_results.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--images", type=int, default=500, help="the first so many")
    options = parser.parse_args()
    stated = conditions()  # of the code that runs: files may change meanwhile
    method = build_from_config(CONFIG).eval()
    assert isinstance(method, TokenCut)  # noqa: S101 - narrows the type
    images = sorted((options.shared / "data" / "ECSSD" / "images").glob("*.jpg"))
    with torch.inference_mode():
        counts, gaps = compare(method, images[: options.images])
    lines = _page(counts, gaps, stated, f"--shared ../shared --images {options.images}")
    page = ROOT / "benchmarks" / "results" / "same_results.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _page(
    counts: list[Count], gaps: list[float], stated: dict[str, object], arguments: str
) -> list[str]:
    edited = " with uncommitted changes" if stated["uncommitted_changes"] else ""
    low, median = np.quantile(gaps, (0, 0.5))
    return [
        "# The same cuts",
        "",
        "TokenCut's cuts of ECSSD images at their own size, by value features of block 6 of the "
        "stand-in weights, τ = 0.3. The program's single cuts are compared with a plain float64 "
        "reference of the published steps on the same features (dense `scipy.linalg.eigh` of the "
        "generalized problem, mean, side of the largest magnitude, 4-connected component), with "
        f"up to {TOGETHER} cuts in one Lanczos iteration, and with cuts without the matrix of the "
        "graph.",
        "",
        f"Commit {stated['commit']}{edited}; `python benchmarks/same_results.py {arguments}`; CPU; "
        f"{listed(versions())}.",
        "",
        "| single cuts against | equal bipartition | equal component |",
        "|---|---|---|",
        *(count.row() for count in counts),
        "",
        "The gap between the second and the third eigenvalue is "
        f"{low:.1e} at least, {median:.1e} in the median.",
        *([""] * any(count.lines for count in counts)),
        *(line for count in counts for line in count.lines),
    ]


if __name__ == "__main__":
    main()
