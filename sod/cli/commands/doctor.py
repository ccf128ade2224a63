"""`sod doctor`: what this machine offers, and what to do about what is missing."""

import sys
from collections.abc import Sequence

from sod.cli.simple import SimpleParser
from sod.core.environment import examine


def doctor(arguments: Sequence[str]) -> int:
    """Report versions, devices, weights and the network, and what to do.

    Args:
        arguments: Command line after ``doctor``.

    Returns:
        0, or 1 if a required package is missing or does not load.

    Raises:
        SodError: The command line is invalid.
    """
    parser = SimpleParser(doctor)
    parser.add_argument("--offline", action="store_true", help="do not try the network")
    options = parser.parse_args(arguments)
    broken = False
    for finding in examine(network=not options.offline):
        arrow = f"  -> {finding.remedy}" if finding.remedy else ""
        mark = "!!" if finding.broken else "  "
        sys.stdout.write(f"{mark} {finding.topic:<20} {finding.value}{arrow}\n")
        sys.stdout.flush()
        broken = broken or finding.broken
    return 1 if broken else 0
