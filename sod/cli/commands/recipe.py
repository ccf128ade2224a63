"""`sod recipe`: a reference model of a published backbone, with one command."""

import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from sod.cli.recipes import RECIPES, Place, first_steps, last_steps
from sod.cli.simple import SimpleParser
from sod.core.errors import SodError, suggest


def recipe(arguments: Sequence[str]) -> int:
    """Train, measure, export and describe a reference model; without a name, list the recipes.

    Args:
        arguments: Command line after ``recipe``.

    Raises:
        SodError: The command line is invalid, or one of the commands fails.
    """
    parser = SimpleParser(recipe)
    parser.add_argument("name", nargs="?", help="the recipe; `sod recipe` lists them")
    parser.add_argument("--out", help="folder of the results (default: recipes/NAME)")
    parser.add_argument("--root", help="the data root, as --data.root")
    parser.add_argument("--train", default="DUTS-TR", help="photos to train on, without masks")
    parser.add_argument(
        "--test", default="DUTS-TE,DUT-OMRON,ECSSD", help="sets to measure on; '' for none"
    )
    parser.add_argument("--weights", default="hub", help="hub, a file, or null (random weights)")
    parser.epilog = "Further options with a dot, such as --trainer.devices=2, go to `sod fit`."
    options, more = parser.parse_known_args(arguments)
    if options.name is None:
        sys.stdout.write(listing() + "\n")
        return 0
    if options.name not in RECIPES:
        raise SodError(f"sod recipe {options.name}: unknown.{suggest(options.name, RECIPES)}")
    wrong = next((word for word in more if not (word.startswith("--") and "." in word)), None)
    if wrong is not None:
        raise SodError(f"sod recipe: unknown option '{wrong}'; `sod recipe --help` lists them.")
    out = Path(options.out or f"recipes/{options.name}")
    place = Place(out, options.root, options.train, options.test, options.weights)
    return run(first_steps(RECIPES[options.name], place, more)) or run(last_steps(place, more))


def run(lines: Iterable[list[str]]) -> int:
    """Run command lines one after the other, each shown before; end at the first that fails.

    Args:
        lines: The words of each, without ``sod``.

    Returns:
        The exit code of the last one.
    """
    from sod.cli.entry import main

    for words in lines:
        sys.stdout.write(f"\n$ sod {shlex.join(words)}\n")
        sys.stdout.flush()
        code = main(words)
        if code:
            return code
    return 0


def listing() -> str:
    """Return the names of the recipes with their backbones."""
    rows = [f"  {name:<12}{each.title} ({each.backbone})" for name, each in RECIPES.items()]
    return "\n".join(["usage: sod recipe NAME [--root DATA] [--out FOLDER]", "", *rows])
