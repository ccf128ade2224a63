"""`python -m sod` is `sod`."""

import sys

from sod.cli import main

sys.exit(main())
