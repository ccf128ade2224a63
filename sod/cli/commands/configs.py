"""`sod configs`: the configs of the package, listed or copied."""

import sys
from collections.abc import Sequence
from pathlib import Path

from sod.cli.simple import SimpleParser
from sod.core.configs import find_config, packaged_configs
from sod.core.errors import SodError


def configs(arguments: Sequence[str]) -> int:
    """List the configs of the package, or copy one: `sod configs copy NAME [FILE]`.

    Args:
        arguments: Command line after ``configs``.

    Raises:
        SodError: The command line is invalid, there is no such config, or the file exists.
    """
    parser = SimpleParser(configs)
    parser.add_argument("action", nargs="?", choices=["list", "copy", "show"], default="list")
    parser.add_argument("name", nargs="?", help="name of the config to copy or to show")
    parser.add_argument("file", nargs="?", help="where to copy it; by default NAME.yaml")
    options = parser.parse_args(arguments)
    if options.action == "list":
        sys.stdout.write(listing() + "\n")
        return 0
    if options.name is None:
        raise SodError(f"sod configs {options.action}: name a config; `sod configs` lists them.")
    path = Path(find_config(options.name, f"sod configs {options.action}"))
    text = path.read_text(encoding="utf-8")
    if options.action == "show":
        sys.stdout.write(text)
        return 0
    copy_text(text, Path(options.file or path.name))
    return 0


def listing() -> str:
    """Return the name of each packaged config and the first line of its comment."""
    known = packaged_configs()
    width = max((len(name) for name in known), default=0) + 2
    rows = [f"  {name:<{width}}{_title(path)}" for name, path in known.items()]
    return "\n".join(["Use one as `--config NAME`:", *rows])


def copy_text(text: str, target: Path) -> None:
    """Write a new text file, and say so.

    Raises:
        SodError: The file exists or cannot be written.
    """
    if target.exists():
        raise SodError(f"{target}: exists; give another name, or remove it first.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SodError(f"{target}: cannot be written: {error.strerror}.") from error
    sys.stdout.write(f"{target} written\n")


def _title(path: Path) -> str:
    """Return the first sentence of the comment at the top of a config."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# ") or line.startswith("#  "):
            break
        lines.append(line[2:])
    return " ".join(lines).partition(". ")[0].rstrip(".")
