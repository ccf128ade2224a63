"""`sod new method`: a package with a method of one's own, to start from."""

import sys
from collections.abc import Sequence
from keyword import iskeyword
from pathlib import Path
from string import Template

from sod.cli.simple import SimpleParser
from sod.core.errors import SodError

TEMPLATES = Path(__file__).parents[1] / "templates"
FILES = {
    "method.py": "{module}.py",
    "config.yaml": "{module}.yaml",
    "test.py": "test_{module}.py",
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
}
"""The file that is made of each template."""


def new(arguments: Sequence[str]) -> int:
    """Write a package with a method of your own, to start from: `sod new method NAME [FOLDER]`.

    Args:
        arguments: Command line after ``new``.

    Raises:
        SodError: The command line is invalid, or a file exists or cannot be written.
    """
    parser = SimpleParser(new)
    parser.add_argument("kind", choices=["method"], help="what to write: method")
    parser.add_argument("name", help="name of the method, such as colour_contrast")
    parser.add_argument("folder", nargs="?", help="where to; by default a folder of that name")
    options = parser.parse_args(arguments)
    module = module_name(options.name)
    folder = Path(options.folder or module)
    texts = rendered(module)
    for path in (folder / name for name in texts):
        if path.exists():
            raise SodError(f"{path}: exists; give another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise SodError(f"{folder}: cannot be written: {error.strerror}.") from error
    sys.stdout.write(f"{', '.join(texts)} in {folder}; README.md says how to go on\n")
    return 0


def module_name(name: str) -> str:
    """Return the name of the module: lower case, with underscores.

    Raises:
        SodError: The name cannot be that of a module.
    """
    module = name.strip().lower().replace("-", "_").replace(" ", "_")
    if not module.isidentifier() or not module.isascii() or iskeyword(module):
        raise SodError(f"sod new method {name}: give letters, digits and underscores.")
    return module


def rendered(module: str) -> dict[str, str]:
    """Return the files of a method by name.

    Args:
        module: The name of its module.
    """
    words = {
        "module": module,
        "class": "".join(part.capitalize() for part in module.split("_")),
        "dashed": module.replace("_", "-"),
    }
    return {
        target.format(module=module): Template(
            (TEMPLATES / f"{source}.txt").read_text(encoding="utf-8")
        ).substitute(words)
        for source, target in FILES.items()
    }
