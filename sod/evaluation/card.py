"""The model card of an exported model: what it is, what it was trained on, what was measured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import sod
from sod.core.errors import SodError
from sod.engine.method import Method
from sod.engine.run_folder import CONFIG
from sod.engine.runs import find_runs
from sod.evaluation.lines import HEADINGS

TEMPLATE = Path(__file__).with_name("card.md.txt")
SHOWN = ("mae", "iou", "max_f", "s_measure", "mean_e")
"""Measures in the table of a card."""

UNKNOWN = "not known: no `config.yaml` of a run lies beside the checkpoint"


class Facts(NamedTuple):
    """What a card says beside the method.

    Args:
        command: The command that exported the model.
        origin: The checkpoint that it was made of, or None.
        files: The files beside the card, and one line on each.
        metrics: Rows of a ``metrics.json`` of `sod evaluate`.
    """

    command: str
    origin: Path | None
    files: Mapping[str, str]
    metrics: Sequence[Mapping[str, Any]]


def model_card(method: Method, facts: Facts) -> str:
    """Return the card as Markdown.

    Args:
        method: The exported method.
        facts: What else is known.
    """
    name = type(method).__name__
    files = "\n".join(f"| `{file}` | {text} |" for file, text in facts.files.items())
    words = {
        "name": name,
        "about": (type(method).__doc__ or name).partition("\n")[0],
        "backbone": _backbone(method.arguments()),
        "weights": f"{sum(value.numel() for value in method.state_dict().values()):,}",
        "trained": _training(facts.origin, trainable=method.is_trainable()),
        "measured": _table(facts.metrics),
        "files": files,
        "command": facts.command,
        "version": sod.__version__,
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(words)


def read_metrics(folder: str | None) -> list[dict[str, Any]]:
    """Return the rows of ``metrics.json`` in a folder of `sod evaluate`; without one, none.

    Raises:
        SodError: There is no such file, or it is damaged.
    """
    if folder is None:
        return []
    path = Path(folder) / "metrics.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SodError(
            f"--metrics {folder}: has no metrics.json that can be read: give the --out of "
            "`sod evaluate`."
        ) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SodError(f"{path}: is damaged: it holds no table.")
    return rows


def _backbone(arguments: Mapping[str, Any]) -> str:
    backbone = arguments.get("backbone")
    if not isinstance(backbone, Mapping):
        return "none of timm"
    features = [f"{backbone['facet']}.{backbone['block']}", *backbone["extra_features"]]
    return f"`{backbone['name']}`, frozen; features: {', '.join(features)}"


def _training(origin: Path | None, *, trainable: bool) -> str:
    if not trainable:
        return "nothing: the method is training-free"
    folder = None if origin is None else origin.parent
    if folder is None or not (folder / CONFIG).is_file():
        return UNKNOWN
    run = next((run for run in find_runs(folder) if run.folder == folder), None)
    if run is None:
        return UNKNOWN
    steps = "" if run.steps is None else f", {run.steps} steps"
    score = "" if run.score is None else f"; {run.score[0]} {run.score[1]:.4f} (its own validation)"
    return f"`{Path(run.train).name}`{steps}{score}"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "Nothing: `sod export --metrics FOLDER` puts the tables of `sod evaluate` here."
    shown = [name for name in SHOWN if any(name in row for row in rows)]
    lines = ["| data | protocol | refined | " + " | ".join(HEADINGS[name] for name in shown) + " |"]
    lines.append("|---" * (3 + len(shown)) + "|")
    for row in rows:
        head = [str(row.get(key, "")) for key in ("dataset", "protocol", "refine")]
        values = [f"{row[name]:.3f}" if name in row else "" for name in shown]
        lines.append(f"| {' | '.join([*head, *values])} |")
    return "\n".join(lines)
