"""Tables as an Excel workbook."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import xlsxwriter

from sod.core.files import atomic_file

Cell = str | float | int


class Sheet(NamedTuple):
    """One sheet.

    Attributes:
        name: Its name.
        columns: Headings.
        rows: Cells of each row.
    """

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def sheet_of(name: str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> Sheet:
    """Return a sheet of rows by column name; absent values are empty cells."""
    cells = [[_plain(row.get(column, "")) for column in columns] for row in rows]
    return Sheet(name, columns, cells)


def write_workbook(path: Path, sheets: Iterable[Sheet]) -> None:
    """Write sheets with a fixed first row, sortable columns and numbers as numbers.

    Raises:
        SodError: The file cannot be written.
    """
    content = BytesIO()
    with xlsxwriter.Workbook(content, {"nan_inf_to_errors": True, "in_memory": True}) as book:
        head = book.add_format({"bold": True, "bottom": 1})
        for sheet in sheets:
            page = book.add_worksheet(sheet.name)
            page.write_row(0, 0, sheet.columns, head)
            for number, row in enumerate(sheet.rows, 1):
                page.write_row(number, 0, row)
            page.freeze_panes(1, 1)
            page.autofilter(0, 0, max(len(sheet.rows), 1), max(len(sheet.columns) - 1, 0))
            page.autofit()
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.getvalue())


def _plain(value: object) -> Cell:
    return value if isinstance(value, (int, float)) else str(value)
