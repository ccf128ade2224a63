"""Which score of pseudo-masks knows best how good they are: on ECSSD 0001-0400.

    OMP_NUM_THREADS=1 python benchmarks/selection.py --shared ../shared --out out/selection

Labels the photos with TokenCut, refined, and ranks the labels by each score that needs no mask:
photos 0001-0200, 0201-0400 and both together, each by itself. The masks are used only to measure
the ranks. Finished labels are not repeated. Takes five minutes on one CPU core.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import yaml
from common import ROOT, iou, sod, split, write_results
from scipy.stats import rankdata, spearmanr

from sod.data.maps import read_map
from sod.data.samples import Sample
from sod.engine.monitors import foreground_shares
from sod.labels.estimates.estimate import scores_of
from sod.labels.estimates.grids import Grids, read_grids
from sod.labels.selection import Candidate, Score, SelectionConfig, select, selected_scores
from sod.labels.store import LabelStore
from sod.nn.backbones.build import BackboneConfig, build_backbone

SCORES: tuple[Score, ...] = ("contrast", "learned", "held_out")
PARTS = {"0001-0200": (0, 200), "0201-0400": (200, 400), "0001-0400": (0, 400)}
Values = npt.NDArray[np.float64]
DRAWS = 2000


class Part(NamedTuple):
    """Photos that are ranked together: what selection knows of them, and their labels' true IoU."""

    grids: Grids
    candidates: list[Candidate]
    truth: Values


class Row(NamedTuple):
    """How well a score ranks: IoU of either half, rank correlation, and the scores themselves."""

    selected: float
    rejected: float
    correlation: float
    scores: Values


def write_stores(train: Path, out: Path, shared: Path) -> LabelStore:
    """Label the photos as the first generation of the stand-in does; return the store."""
    names = ["configs/tokencut.yaml", "benchmarks/standin.yaml"]
    weights = shared / "weights" / "vit_tiny_patch16_224.safetensors"
    sod(
        "predict",
        *(f"--config={ROOT / name}" for name in names),
        f"--model.backbone.weights={weights}",
        f"--source={train / 'images'}",
        "--refine=bilateral",
        f"--pseudo={out / 'labels'}",
        "--trainer.precision=32-true",
    )
    return LabelStore(out / "labels")


def backbone_config(shared: Path) -> BackboneConfig:
    """Return the backbone of the stand-in's generations."""
    content = yaml.safe_load((ROOT / "benchmarks" / "generations_standin.yaml").read_text("utf-8"))
    options = content["model"]["init_args"]["backbone"]
    return BackboneConfig(
        **{**options, "weights": str(shared / "weights" / Path(options["weights"]).name)}
    )


def candidate(store: LabelStore, name: str) -> Candidate:
    """Return what selection knows of a label, its share of the border included."""
    border = foreground_shares(read_map(store.path(name))[None, None])["border"]
    return Candidate.of(store.labels[name])._replace(border=float(border))


def ranks(part: Part, score: Score, seed: int = 0) -> Row:
    """Rank the labels by a score; the rules of the selection are the default ones."""
    config, candidates = SelectionConfig(score=score), part.candidates
    if score != "contrast":
        values = scores_of(part.grids, candidates, config, seed, torch.device("cpu")).tolist()
        candidates = [c._replace(estimate=v) for c, v in zip(candidates, values, strict=True)]
    chosen = selected_scores(select(candidates, config))
    inside = np.array([each.name in chosen for each in candidates])
    scores = np.array([each.score(score) for each in candidates])
    correlation = float(spearmanr(scores, part.truth).statistic)
    truth = part.truth
    return Row(float(truth[inside].mean()), float(truth[~inside].mean()), correlation, scores)


def gain(part: Part, row: Row, base: Row) -> tuple[float, float, float]:
    """Return the gain of the rank correlation over another score, with its interval of 95 %.

    The interval is of photos drawn with replacement, the same ones for both scores.
    """
    random = np.random.default_rng(0)
    count = len(part.truth)
    gains = []
    for _ in range(DRAWS):
        drawn = random.integers(count, size=count)
        truth = rankdata(part.truth[drawn])
        values = [np.corrcoef(rankdata(each.scores[drawn]), truth)[0, 1] for each in (row, base)]
        gains.append(values[0] - values[1])
    low, high = np.quantile(gains, (0.025, 0.975))
    return row.correlation - base.correlation, float(low), float(high)


def table(part: Part, rows: dict[Score, Row]) -> list[str]:
    """Return the lines of a table."""
    lines = ["| score | IoU, selected half | rejected half | rank correlation | gain of it |",
             "|---|---|---|---|---|"]  # fmt: skip
    for score, row in rows.items():
        points, low, high = gain(part, row, rows["contrast"])
        more = "–" if score == "contrast" else f"{points:+.3f} ({low:+.3f} to {high:+.3f})"
        figures = f"{row.selected:.3f} | {row.rejected:.3f} | {row.correlation:.3f}"
        lines.append(f"| {score} | {figures} | {more} |")
    return lines


def read_part(
    samples: Sequence[Sample], store: LabelStore, masks: Path, config: BackboneConfig
) -> Part:
    """Read features and labels of some photos, and measure the labels."""
    names = [sample.name for sample in samples]
    truth = [iou(store.path(name), masks / f"{name}.png") for name in names]
    grids = read_grids(samples, store, build_backbone(config))
    return Part(grids, [candidate(store, name) for name in names], np.array(truth))


def main() -> None:
    """Label, rank and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("out/selection"))
    arguments = parser.parse_args()
    shared, out = arguments.shared.resolve(), arguments.out
    train, _ = split(shared, out)
    store = write_stores(train, out, shared)
    samples = [Sample(path.stem, path) for path in sorted((train / "images").iterdir())]
    lines, report = [], {}
    for name, (start, end) in PARTS.items():
        begin = time.process_time()
        part = read_part(samples[start:end], store, train / "masks", backbone_config(shared))
        rows = {score: ranks(part, score) for score in SCORES}
        seconds = time.process_time() - begin
        lines += [f"\n{name}, {len(part.truth)} photos:\n", *table(part, rows)]
        figures = {
            score: row._asdict() | {"scores": row.scores.tolist()} for score, row in rows.items()
        }
        report[name] = figures | {"cpu_seconds": seconds}
    write_results("selection", lines, report, out)


if __name__ == "__main__":
    main()
