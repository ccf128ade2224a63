"""Cells of tables as text."""

from sod.evaluation.lines import Line, format_value

ABSENT = "–"
"""Text of a cell without a value."""


def cell_text(line: Line, column: tuple[str, str], styles: dict[str, str]) -> str:
    """Return a value with its spread and marks; ``styles`` has a format for each rank."""
    if column not in line.cells:
        return ABSENT
    value = format_value(line.cells[column], column[1])
    spread = line.spreads.get(column)
    value += f" ± {format_value(spread, column[1])}" if spread is not None else ""
    return styles[line.ranks.get(column, "")].format(value) + line.marks.get(column, "")


def interval_text(line: Line, column: tuple[str, str]) -> str:
    """Return the 95 % confidence interval of a value."""
    if column not in line.intervals:
        return ABSENT
    low, high = (format_value(end, column[1]) for end in line.intervals[column])
    return f"{low}–{high}"
