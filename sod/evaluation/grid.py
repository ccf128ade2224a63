"""Grid of example images: image, mask and the map of every method with its IoU."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from sod.core.files import atomic_file
from sod.evaluation.gallery import Case

_GAP = 10  # pixels between panels
_TEXT = 22
_WIDEST = 2.0  # a thumbnail is at most this many times as wide as high


def draw_grid(
    chosen: Mapping[str, Sequence[Case]],
    path: Path,
    methods: Sequence[str] | None = None,
    heading: str = "IoU",
) -> Path:
    """Draw ``grid.png``: a row per case, labelled by kind; columns image, mask and each method.

    Args:
        chosen: Cases by kind (``best``, ``median``, ``worst``), as from ``Gallery.chosen``.
        path: PNG file to write.
        methods: Order of the methods, or None for the order of the cases' maps.
        heading: Heading of the scores.

    Returns:
        ``path``.
    """
    cases = [(kind, case) for kind, group in chosen.items() for case in group]
    if methods is None:
        methods = list(dict.fromkeys(method for _, case in cases for method in case.maps))
    lines = [(kind, case, _panels(case, methods, heading)) for kind, case in cases]
    widths = _column_widths([panels for _, _, panels in lines], 2 + len(methods))
    left, top = 4 * _TEXT, _TEXT + 2 * _GAP
    heights = [max(panel.height for panel, _ in panels) + _TEXT + _GAP for _, _, panels in lines]
    size = (left + sum(widths) + _GAP * (len(widths) + 1), top + sum(heights) + _GAP)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    starts = [left + _GAP + sum(widths[:k]) + _GAP * k for k in range(len(widths))]
    for title, start, width in zip(("image", "mask", *methods), starts, widths, strict=True):
        _write(draw, title, (start + width / 2, top / 2), width)
    for (kind, _, panels), height in zip(lines, heights, strict=True):
        _write(draw, kind, (left / 2, top + (height - _TEXT - _GAP) / 2), left)
        for (panel, caption), start, width in zip(panels, starts, widths, strict=True):
            canvas.paste(panel, (start + (width - panel.width) // 2, top))
            _write(draw, caption, (start + width / 2, top + panel.height + _TEXT / 2 + 2), width)
        top += height
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        canvas.save(temporary, "png")
    return path


def _panels(case: Case, methods: Sequence[str], heading: str) -> list[tuple[Image.Image, str]]:
    """Return the panels of one row with their captions."""
    panels = [(_picture(case.image), case.name), (_picture(case.mask), "")]
    for method in methods:
        if method in case.maps:
            panels.append((_picture(case.maps[method]), f"{heading} {case.scores[method]:.3f}"))
        else:
            panels.append((Image.new("RGB", panels[0][0].size, "white"), "–"))
    return panels


def _picture(levels: Tensor) -> Image.Image:
    picture = Image.fromarray(levels.numpy()).convert("RGB")
    widest = round(picture.height * _WIDEST)
    if picture.width <= widest:
        return picture
    height = max(round(picture.height * widest / picture.width), 1)
    return picture.resize((widest, height), Image.Resampling.LANCZOS)


def _column_widths(lines: Sequence[Sequence[tuple[Image.Image, str]]], columns: int) -> list[int]:
    return [
        max((panels[column][0].width for panels in lines), default=4 * _TEXT)
        for column in range(columns)
    ]


def _write(draw: ImageDraw.ImageDraw, text: str, middle: tuple[float, float], width: int) -> None:
    """Write centred text, in the largest size up to ``_TEXT`` that fits the width."""
    size = _TEXT
    while size > 8 and draw.textlength(text, font=ImageFont.load_default(size)) > width:
        size -= 1
    draw.text(middle, text, fill="black", font=ImageFont.load_default(size), anchor="mm")
