"""Several answers to each image: masks, scores, overlays side by side, a page to pick from."""

import html
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import write_text
from sod.core.reading import read_json
from sod.data.dataset import AnyBatch
from sod.data.pictures import write_picture
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.prediction.answers import choose_answers
from sod.prediction.callback import PredictionCallback
from sod.prediction.full_size import full_map, full_pixels, result_size, to_pixels
from sod.prediction.large import LargePhoto, is_large
from sod.prediction.large_files import LargeResults
from sod.prediction.look import render
from sod.refinement.calibration import finished
from sod.refinement.kinds import Refinement

AGAIN = "remove it and predict again"
GAP = 8
"""Pixels between the answers of an overlay."""
PAGE = """<!doctype html><meta charset="utf-8"><title>answers</title>
<style>body{{font-family:sans-serif}} figure{{display:inline-block;margin:4px}} img{{height:200px}}
</style><p>The preferred answer is on the left. A click opens the mask.</p>
{rows}
"""


class AnswerWriter(PredictionCallback):
    """Writes ``OUT/answers/NAME/``: ``1.png``, ``2.png``, ..., ``answers.json``, ``overlay.png``.

    ``OUT/answers/index.html`` shows the answers to all images side by side.

    Args:
        out: Output folder.
        count: Largest number of answers to an image.
        refinement: Refinement of the answers before they are written.
        names: Names of all images of the page, those of an earlier run included.
        max_side: Pixels of the longer side of the results at most; None: those of the image.

    Raises:
        SodError: ``count`` is not at least 1.
    """

    def __init__(
        self,
        out: Path,
        count: int,
        refinement: Refinement,
        names: Sequence[str],
        max_side: int | None = None,
    ) -> None:
        super().__init__()
        if count < 1:
            raise SodError(f"--answers {count}: is not at least 1.")
        self.folder = out / "answers"
        self.count = count
        self.refinement: Refinement = refinement
        self.names = names
        self.max_side = max_side

    def process(self, batch: AnyBatch, outputs: Any, method: pl.LightningModule) -> None:  # noqa: ANN401
        """Write the answers to the images of one batch."""
        assert isinstance(method, Method)  # noqa: S101 - narrows the type
        for sample, image, saliency in zip(
            batch["samples"], batch["images"], outputs["saliency"], strict=True
        ):
            answers = choose_answers(method.proposals(image, saliency[0]), self.count)
            repeated = image.expand(len(answers.maps), *image.shape)
            proposed, own = answers.maps[:, None], method.calibrations
            maps = finished(repeated, proposed, self.refinement, own)[:, 0]
            self._write(sample, image, maps, answers.scores.tolist())

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """When all processes have written, the first one writes the page."""
        super().on_predict_epoch_end(trainer, pl_module)
        if trainer.is_global_zero:
            rows = "\n".join(_figures(name, self._scores(name)) for name in sorted(self.names))
            write_text(self.folder / "index.html", PAGE.format(rows=rows))

    def _write(
        self,
        sample: Sample,
        image: Tensor,
        maps: Tensor,
        scores: list[float],
    ) -> None:
        """Write the files of one image; the overlay of a large photo has the predicted size."""
        folder = self.folder / sample.name
        size = result_size(sample, image, self.max_side)
        large = is_large(size)
        pixels = to_pixels(image) if large else full_pixels(sample, image, self.max_side)
        shown = [full_map(map_, (pixels.shape[0], pixels.shape[1])) for map_ in maps]
        for number, map_ in enumerate(shown, 1):
            file = folder / f"{number}.png"
            if large:
                photo = partial(LargePhoto, sample.image, size, self.max_side)
                LargeResults(photo, maps[number - 1], size).write(file, "map")
            else:
                write_picture(file, render(pixels, map_, "map"))
        write_picture(folder / "overlay.png", side_by_side(pixels, shown))
        rows = [{"file": f"{n}.png", "score": round(s, 4)} for n, s in enumerate(scores, 1)]
        write_text(folder / "answers.json", json.dumps(rows) + "\n")

    def _scores(self, name: str) -> list[float]:
        """Return the scores of an image's answers; none of one that could not be read."""
        file = self.folder / name / "answers.json"
        rows = read_json(file, AGAIN) if file.is_file() else []
        try:
            return [float(row["score"]) for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise SodError(f"{file}: is damaged: {AGAIN}.") from error


def side_by_side(pixels: NDArray[np.uint8], maps: list[NDArray[np.float32]]) -> Image.Image:
    """Return the overlays of several maps of one image in a row, on white.

    Args:
        pixels: The image, ``[H, W, 3]``.
        maps: Each ``[H, W]`` in [0, 1].
    """
    height, width = pixels.shape[:2]
    row = Image.new("RGB", (len(maps) * (width + GAP) - GAP, height), "white")
    for number, map_ in enumerate(maps):
        row.paste(render(pixels, map_, "overlay"), (number * (width + GAP), 0))
    return row


def _figures(name: str, scores: list[float]) -> str:
    """Return the row of one image as HTML: its overlay, and a link to each mask."""
    if not scores:
        return ""
    place = quote(name)
    links = [
        f'<figure><a href="{place}/{n}.png"><img loading="lazy" alt="answer {n}" '
        f'src="{place}/{n}.png"></a><figcaption>{n}: {score:.2f}</figcaption></figure>'
        for n, score in enumerate(scores, 1)
    ]
    overlay = f'<p><img loading="lazy" alt="overlays" src="{place}/overlay.png"></p>'
    return f"<h2>{html.escape(name)}</h2>{overlay}{''.join(links)}"
