"""Train a method: the same as `sod fit`."""

import sys

from sod.cli import main

if __name__ == "__main__":
    sys.exit(main(["fit", *sys.argv[1:]]))
