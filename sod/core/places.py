"""Folders that are searched for weights."""

import os
from pathlib import Path


def weight_folders() -> list[Path]:
    """Return the folders that are searched for weights, those that exist.

    They are those that the environment variable ``SOD_WEIGHTS`` names, then ``weights``, and the
    data root ``datasets`` and its folder ``weights``.
    """
    named = [Path(path) for path in os.environ.get("SOD_WEIGHTS", "").split(os.pathsep) if path]
    usual = [Path("weights"), Path("datasets"), Path("datasets/weights")]
    return [folder for folder in (*named, *usual) if folder.is_dir()]
