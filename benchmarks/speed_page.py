"""The page of benchmarks/speed.py, made of its report."""

from typing import Any

from paired import Quartiles

Report = dict[str, Any]
HEAD = "| | processor ms | ratio of processor time | ratio of wall time | target |"
BUSY = (
    "Two threads wait for each other after every operation, and for long where other programs hold "
    "a CPU; larger batches have fewer operations. Under load the last table shows that, and says "
    "nothing about idle CPUs."
)
TITLES = {
    "TokenCut": "TokenCut against its bare backbone (seven blocks of ViT-Ti/16), per image",
    "ConnNet": "A student against its bare backbone (eleven blocks, scale 1.25), half the images",
    "PEEKABOO": "The published PEEKABOO step, 16 crops of 224², against its two forward passes",
    "windows": "TokenCut on half the images, `data.eval_batch_size` images in a step",
    "batches, 1 thread": "The bare backbone on 16 images of 400×304, one thread",
    "batches, 2 threads": "The same with two threads",
}


def page(report: Report) -> list[str]:
    """Return the lines of the page."""
    state = report["conditions"]
    lines = [
        "# The cost around the backbone, on a CPU",
        "",
        f"`{report['command']}`, a part of `make bench`; stand-in ViT-Ti/16 on the first images "
        "of ECSSD, one process, one thread where not said otherwise. The cases of a table are "
        "timed in turns, image by image, and each image begins with another case. Ratios are "
        "formed per image and pass; given are their median and, in brackets, their quartiles. "
        "Where other programs run beside it, as the load average says, absolute times are too "
        "long, and wall time means less than processor time. A *part* is timed by itself, with its "
        "inputs at hand. *All measures* are all but `hce` and `camouflage_context`.",
        "",
        f"Commit {state['commit']}{' with changes' if state['uncommitted_changes'] else ''}, "
        f"Python {state['python']}, torch {state['torch']}, numpy {state['numpy']}, scipy "
        f"{state['scipy']}; {state['cpus']} CPUs ({state['machine']}), load average "
        f"{state['load_average'][0]} at the start, {report['load_average_at_the_end'][0]} at the "
        f"end. GPU: {state['gpu'] or 'none'}; nothing here was measured on a GPU.",
    ]
    for table, title in TITLES.items():
        rows = [row for row in report["rows"] if row["table"] == table]
        lines += ["", f"## {title}", "", HEAD, "|---|---|---|---|---|", *map(_line, rows)]
    return [*lines, "", BUSY, *_growth(report), *_expected(report)]


def _line(row: dict[str, Any]) -> str:
    target = row["target"]
    met = "" if target is None else f"≤ {target}: {verdict(row['cpu_ratio'], target)}"
    return (
        f"| {row['case']} | {row['cpu_ms'].median:.1f} | {row['cpu_ratio']} | {row['wall_ratio']} "
        f"| {met} |"
    )


def verdict(found: Quartiles, target: float) -> str:
    """Return whether the median meets a target."""
    return "met" if found.median <= target else "**missed**"


def _growth(report: Report) -> list[str]:
    lines = [
        "",
        "## Cost over size",
        "",
        "![processor time over images, tokens and megapixels](speed.svg)",
        "",
        "| over | what | sizes | processor ms | slope of the logarithms |",
        "|---|---|---|---|---|",
    ]
    for row in report["growth"]:
        sizes = ", ".join(f"{size:g}" for size in row["sizes"])
        cost = ", ".join(f"{each.median:.0f}" for each in row["cost"])
        lines.append(f"| {row['over']} | {row['what']} | {sizes} | {cost} | {row['slope']:.2f} |")
    return [
        *lines,
        "",
        "A slope of 1 is proportional; the loop's start is constant. Above 6,400 tokens images are "
        "looked at in a smaller size. "
        "The growth with processes is not measured here.",
    ]


def _expected(report: Report) -> list[str]:
    rows = {(row["table"], row["case"]): row["cpu_ms"].median for row in report["rows"]}
    cuts = next(row for row in report["growth"] if row["what"] == "graph and cut")
    cut = dict(zip(cuts["sizes"], (each.median for each in cuts["cost"]), strict=True))
    rest = rows["TokenCut", "part: resampling"] + rows["TokenCut", "part: bilateral solver"]
    lines = [
        "",
        "## What to expect of other backbones",
        "",
        "The forward pass of a 400×300 image is measured, with random weights. The sum with "
        "resampling, cut and refinement is **computed** from the tables above, and so are the "
        "measures; for ViT-S/8 with the cut interpolated to its 1,900 tokens. GPUs: not measured.",
        "",
        "| backbone | forward, processor ms (measured) | TokenCut, bilateral, ms (computed) "
        "| ratio | with default measures | with all | photos an hour and thread, unmeasured |",
        "|---|---|---|---|---|---|---|",
    ]
    cases = ("TokenCut, bilateral, default measures", "TokenCut, bilateral, all measures")
    more = [rows["TokenCut", case] - rows["TokenCut", "TokenCut, bilateral"] for case in cases]
    for name, tokens in (("ViT-S/16", 475.0), ("ViT-S/8", 1900.0)):
        forward = report["forward_ms"][name].median
        total = forward + rest + interpolated(cut, tokens)
        ratios = " | ".join(f"{(total + each) / forward:.2f}" for each in (0.0, *more))
        lines.append(f"| {name} | {forward:.0f} | {total:.0f} | {ratios} | {3.6e6 / total:,.0f} |")
    return lines


def interpolated(values: dict[float, float], size: float) -> float:
    """Return a value between its neighbours, linear in the size."""
    below = max(each for each in values if each <= size)
    above = min(each for each in values if each >= size)
    share = 0.0 if above == below else (size - below) / (above - below)
    return values[below] * (1 - share) + values[above] * share
