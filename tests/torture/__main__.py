"""`make torture`: attack running trainings, and see whether anything is lost.

    python -m torture --count 20 --seed 0 --out torture.md        (in the folder tests)

Each attacked run is started again by the same command until it has ended, and then compared with an
undisturbed run: weights, optimiser, `best.ckpt`, logged scalars, pseudo-label stores, exit codes,
messages and leftover files.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from torture.attack import Attack
from torture.cases import CASES, make_scenes
from torture.disks import disks
from torture.kills import kills
from torture.signals import signals

KINDS = {"kill": kills, "signal": signals, "disk": disks}


def main() -> int:
    """Run the attacks that the command line names; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="attacks of each kind and method")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--out", type=Path, help="file for the table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    attacks: list[Attack] = []
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        place = Path(name)
        scenes = make_scenes(place / "scenes")
        for case in options.cases.split(","):
            for kind in options.kinds.split(","):
                for attack in KINDS[kind](case, scenes, place, options.count, options.seed):
                    _say(attack)
                    attacks.append(attack)
    if options.out:
        options.out.write_text(table(attacks, sys.argv[1:]), encoding="utf-8")
    return int(any(attack.faults for attack in attacks))


def table(attacks: Sequence[Attack], arguments: Sequence[str]) -> str:
    """Return the attacks that were tried and survived, as Markdown."""
    tried = Counter((attack.kind, attack.case) for attack in attacks)
    survived = Counter((attack.kind, attack.case) for attack in attacks if not attack.faults)
    lines = [f"`python -m torture {' '.join(arguments)}`, {time.strftime('%Y-%m-%d')}", ""]
    lines += ["| attack | method | tried | survived |", "|---|---|---|---|"]
    lines += [
        f"| {kind} | {case} | {n} | {survived[kind, case]} |" for (kind, case), n in tried.items()
    ]
    lines += [f"- {a.kind}, {a.case}, {a.moment}: {a.faults[0]}" for a in attacks if a.faults]
    return "\n".join(lines) + "\n"


def _say(attack: Attack) -> None:
    outcome = "; ".join(attack.faults) or "survived"
    sys.stdout.write(f"{attack.kind} {attack.case}, {attack.moment}: {outcome}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
