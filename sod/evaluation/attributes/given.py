"""Attributes of images that the user gives in a CSV file."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sod.core.errors import SodError
from sod.evaluation.attributes.measured import Attribute

_FEW = 6  # values of a number that are classes of their own
_NAMES = ("name", "image")


def read_attributes(path: Path) -> dict[str, dict[str, str]]:
    """Read attributes by image: a column ``name`` (or ``image``), and one column per attribute.

    Args:
        path: CSV file with a header; images that it lacks have no class.

    Returns:
        The text of each attribute by image name.

    Raises:
        SodError: The file cannot be read, or has no such column or no attribute.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SodError(f"--attributes {path}: cannot be read: {error}.") from error
    columns = list(rows[0]) if rows else []
    key = next((column for column in columns if column and column.lower() in _NAMES), None)
    if key is None or len(columns) < 2:
        raise SodError(
            f"--attributes {path}: expected a column 'name' and one per attribute, has "
            f"{', '.join(map(str, columns)) or 'none'}."
        )
    return {
        str(row[key]): {
            name: (value or "").strip()
            for name, value in row.items()
            if name not in {key, "dataset", None}
        }
        for row in rows
    }


def given_classes(
    rows: Mapping[str, Mapping[str, str]], names: Sequence[str]
) -> tuple[dict[str, Attribute], dict[str, dict[str, str]]]:
    """Sort images into classes: words and few numbers as they are, many numbers into thirds.

    Args:
        rows: The attributes of :func:`read_attributes`.
        names: Names of the images; those that the file lacks are left out.

    Returns:
        The attributes, and the class of each by image name.
    """
    known = {name: rows[name] for name in names if name in rows}
    attributes: dict[str, Attribute] = {}
    classes: dict[str, dict[str, str]] = {name: {} for name in known}
    for key in dict.fromkeys(key for row in known.values() for key in row):
        texts = {name: row[key] for name, row in known.items() if row.get(key)}
        attribute, found = _classes(key, texts)
        attributes[key] = attribute
        for name, label in found.items():
            classes[name][key] = label
    return attributes, classes


def _classes(key: str, texts: Mapping[str, str]) -> tuple[Attribute, dict[str, str]]:
    numbers = _numbers(texts)
    if numbers is None or len(set(numbers.values())) <= _FEW:
        kinds = sorted(set(texts.values()), key=lambda text: (numbers is None, _order(text)))
        return Attribute(key, (), tuple(kinds)), dict(texts)
    limits = np.quantile(list(numbers.values()), [1 / 3, 2 / 3]).tolist()
    names = (f"< {limits[0]:.3g}", f"{limits[0]:.3g}–{limits[1]:.3g}", f"> {limits[1]:.3g}")
    attribute = Attribute(key, tuple(limits), names)
    return attribute, {name: attribute.class_of(value) for name, value in numbers.items()}


def _numbers(texts: Mapping[str, str]) -> dict[str, float] | None:
    try:
        return {name: float(text) for name, text in texts.items()}
    except ValueError:
        return None


def _order(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return 0.0, text
