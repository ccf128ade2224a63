"""Predictions that go on where an earlier run stopped."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sod.core.errors import SodError
from sod.core.files import write_text
from sod.core.formats import check_format, stamp
from sod.core.reading import read_json
from sod.data.sample_list import SampleList, sample_list
from sod.data.samples import Sample
from sod.prediction.outputs import Output, output_file

FORMAT = 1
SETTINGS = "prediction.json"
"""The file in the output folder with what its results depend on."""


def begin(folder: Path, settings: Mapping[str, Any], resume: bool) -> None:
    """Write down what the results depend on; a resumed run must not mix in others.

    Args:
        folder: The output folder.
        settings: Method, weights and options, as primitives.
        resume: Whether an earlier run goes on.

    Raises:
        SodError: The results in the folder were made with other settings.
    """
    path, stated = folder / SETTINGS, json.loads(json.dumps(dict(settings)))
    if resume and path.is_file():
        before = _read(path)
        check_format(before, FORMAT, f"{path}")
        # As it is written: a file holds lists where there were tuples.
        changed = [key for key in stated if before.get(key) != stated[key]]
        if changed:
            raise SodError(
                f"--resume: the results in {folder} were made with another {' and '.join(changed)}:"
                " give another --out, or leave --resume out to make them again."
            )
    write_text(path, json.dumps(stamp(FORMAT) | stated, indent=2) + "\n")


def unfinished(folder: Path, samples: Sequence[Sample], outputs: Sequence[Output]) -> SampleList:
    """Return the images that lack a file of an output. Files are written completely or not at all.

    Args:
        folder: The output folder.
        samples: All images.
        outputs: The kinds of output that are asked for.
    """

    def lacks_one(name: str, _file: str) -> bool:
        return not all(output_file(folder, kind, name).is_file() for kind in outputs)

    return sample_list(samples).where(lacks_one)


def _read(path: Path) -> dict[str, Any]:
    content = read_json(path, "leave --resume out")
    return content if isinstance(content, dict) else {}
