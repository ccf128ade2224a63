"""Evaluate a method, a checkpoint or saved maps: the same as `sod evaluate`."""

import sys

from sod.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
