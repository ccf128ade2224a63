"""Plot of precision-recall curves and of the F-measure against the threshold."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

Curves = Mapping[str, Tensor]
_PANEL = (4.2, 3.4)  # inches


def plot_curves(curves: Mapping[str, Mapping[str, Curves]], path: Path, note: str = "") -> Path:
    """Draw ``curves.png``: a row of two panels per dataset, a line per method.

    Args:
        curves: Curves of ``SaliencyMetrics.curves()`` by dataset, then by method.
        path: PNG file to write.
        note: Line of text below the panels, for instance the protocol.

    Returns:
        ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    size = (2 * _PANEL[0], max(len(curves), 1) * _PANEL[1] + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(max(len(curves), 1), 2, squeeze=False)
    for (dataset, methods), (left, right) in zip(curves.items(), axes, strict=True):
        for method, values in methods.items():
            _draw(left, right, method, values)
        _finish(left, f"{dataset}: precision and recall", "recall", "precision")
        _finish(right, f"{dataset}: F-measure", "threshold", "F")
        if methods:
            right.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    if note:
        figure.supxlabel(note, fontsize=6, wrap=True)
    FigureCanvasAgg(figure).print_figure(path, dpi=200)
    return path


def _draw(left: Axes, right: Axes, method: str, values: Curves) -> None:
    curves = {name: values[name].double().cpu().numpy() for name in ("precision", "recall", "f")}
    thresholds = torch.arange(len(curves["f"])).numpy() / 255
    # A binary map has the same precision and recall at every threshold: one point, not a line.
    marker = "o" if np.ptp(curves["recall"]) < 1e-9 else ""
    left.plot(curves["recall"], curves["precision"], marker=marker, markersize=4, linewidth=1.4)
    right.plot(thresholds, curves["f"], label=method, linewidth=1.4)


def _finish(axes: Axes, title: str, horizontal: str, vertical: str) -> None:
    axes.set(title=title, xlabel=horizontal, ylabel=vertical, xlim=(0, 1), ylim=(0, 1))
    axes.grid(visible=True, linewidth=0.3)
