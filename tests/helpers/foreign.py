"""A package that nobody asked for: importing it leaves a trace."""

import sys
from pathlib import Path

import pytest

SOURCE = """
from pathlib import Path
Path({trace!r}).touch()
from sod.methods.tokencut import TokenCut

class Foreign(TokenCut):
    \"\"\"A method of another package.\"\"\"
"""


def foreign_package(folder: Path, patch: pytest.MonkeyPatch, name: str) -> Path:
    """Make a module importable that defines a method, and return the file that its import makes."""
    trace = folder / f"{name}.trace"
    (folder / f"{name}.py").write_text(SOURCE.format(trace=str(trace)))
    patch.syspath_prepend(folder)
    sys.modules.pop(name, None)
    return trace
