"""Plot of precision-recall curves, and of F- and E-measure against the threshold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from sod.evaluation.statistics import base_of

Curves = Mapping[str, Tensor]
Styles = Mapping[str, Mapping[str, Any]]
"""Line properties of Matplotlib by label."""
_PANEL = (3.6, 3.2)  # inches
_LINES = ("-", "--", ":", "-.")


def curve_figure(
    curves: Mapping[str, Mapping[str, Curves]], note: str = "", styles: Styles | None = None
) -> Figure:
    """Return a figure with a row of three panels per dataset, a line per method.

    Args:
        curves: Curves of ``SaliencyMetrics.curves()`` by dataset, then by method.
        note: Line of text below the panels, for instance the protocol.
        styles: Line properties by label; labels that it names come first, in its order.
    """
    size = (3 * _PANEL[0] + 1.2, max(len(curves), 1) * _PANEL[1] + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(max(len(curves), 1), 3, squeeze=False)
    for (dataset, methods), panels in zip(curves.items(), axes, strict=True):
        for method in _ordered(list(methods), styles or {}):
            _draw(panels, method, methods[method], _style(method, list(methods), styles or {}))
        _finish(panels[0], f"{dataset}: precision and recall", "recall", "precision")
        _finish(panels[1], f"{dataset}: F-measure", "threshold", "F")
        _finish(panels[2], f"{dataset}: E-measure", "threshold", "E")
        if methods:
            panels[2].legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    if note:
        figure.supxlabel(note, fontsize=6, wrap=True)
    return figure


def _ordered(labels: list[str], styles: Styles) -> list[str]:
    order = list(styles)
    return sorted(
        labels, key=lambda label: order.index(base_of(label)) if base_of(label) in order else 999
    )


def _style(label: str, labels: list[str], styles: Styles) -> dict[str, Any]:
    """Return colour and dashes: runs of one method share a colour, refined maps are dashed."""
    method = base_of(label).partition("+")[0]
    methods = list(dict.fromkeys(base_of(other).partition("+")[0] for other in labels))
    refinements = list(dict.fromkeys(other.partition("+")[2] for other in labels))
    dashes = _LINES[refinements.index(label.partition("+")[2]) % len(_LINES)]
    style = {"color": f"C{methods.index(method) % 10}", "linestyle": dashes, "linewidth": 1.4}
    return style | dict(styles.get(method, {})) | dict(styles.get(base_of(label), {}))


def _draw(panels: Sequence[Axes], method: str, values: Curves, style: Mapping[str, Any]) -> None:
    curves = {name: line.double().cpu().numpy() for name, line in values.items()}
    thresholds = np.arange(len(curves["f"])) / 255
    # A binary map has the same precision and recall at every threshold: one point, not a line.
    point = {"marker": "o"} if np.ptp(curves["recall"]) < 1e-9 else {}
    panels[0].plot(curves["recall"], curves["precision"], markersize=4, **{**style, **point})
    panels[1].plot(thresholds, curves["f"], label=method, markevery=32, **style)
    panels[2].plot(thresholds, curves["e"], label=method, markevery=32, **style)


def _finish(axes: Axes, title: str, horizontal: str, vertical: str) -> None:
    axes.set(title=title, xlabel=horizontal, ylabel=vertical, xlim=(0, 1), ylim=(0, 1))
    axes.title.set_fontsize(9)
    axes.grid(visible=True, linewidth=0.3)
