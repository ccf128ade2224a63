"""`make mutants`: change one expression of the code at a time, and see whether a test fails.

    python -m mutation --count 200 --seed 0 --out mutants.md        (in the folder tests)

A mutant is caught if the tests of its room, or those of the rooms that use it, fail or run too
long. Survivors are listed; each is either equivalent to the original or a test is missing.
"""

import argparse
import random
import sys
import time
from pathlib import Path

from mutation.operators import Mutant, mutants
from mutation.runner import Runner

ROOT = Path(__file__).parents[2]
METHODS = [f"tests/methods/test_{name}.py" for name in ("peekaboo", "found", "connnet", "student")]
TUNED = "tests/methods/test_tuned_arguments.py"
TESTS = {
    "sod/spectral": ["tests/spectral/test_eigen.py", "tests/spectral"],
    "sod/refinement": [
        "tests/refinement/test_systems.py",
        "tests/refinement/test_bilateral.py",
        "tests/refinement",
        "tests/metrics/test_protocols.py",
    ],
    "sod/metrics": [
        "tests/metrics/test_pysod.py",
        "tests/metrics",
        "tests/evaluation/test_saved_maps.py",
        "tests/test_devices.py",
    ],
    "sod/nn/connectivity": ["tests/nn/connectivity", "tests/nn/decoders", METHODS[2]],
    "sod/nn/losses": [
        "tests/nn/test_consensus.py",
        "tests/nn/losses",
        "tests/nn/decoders",
        *METHODS,
    ],
    "sod/methods/tokencut.py": ["tests/methods/test_tokencut.py", TUNED, "tests/spectral"],
    "sod/methods/peekaboo.py": [*METHODS[:2], TUNED, "tests/engine/test_training_options.py"],
    "sod/methods/connnet.py": [METHODS[2], "tests/methods/test_published_settings.py"],
    "sod/methods/student.py": [METHODS[3], "tests/methods/test_published_settings.py"],
    "sod/methods/generations/combination.py": ["tests/methods/generations/test_combination.py"],
    "sod/methods/generations/labelling.py": [
        "tests/methods/generations/test_labels_by_hand.py",
        "tests/methods/generations",
    ],
    "sod/methods/generations/quality.py": ["tests/methods/generations/test_quality.py"],
    "sod/labels/consensus.py": ["tests/labels", "tests/methods/generations/test_combination.py"],
    "sod/labels/selection.py": ["tests/labels"],
    "sod/labels/score.py": ["tests/labels"],
    "sod/labels/estimates": ["tests/labels/estimates"],
}
"""What is mutated, and the tests that are run for it, the quickest first."""


def sample(count: int, seed: int) -> list[Mutant]:
    """Return that many of all mutants, the same for a seed."""
    found: list[Mutant] = []
    for place in TESTS:
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            found += mutants(name, file.read_text(encoding="utf-8"))
    chosen = random.Random(seed).sample(found, min(count, len(found)))
    print(f"{len(chosen)} of {len(found)} mutants", flush=True)
    return sorted(chosen, key=lambda mutant: (mutant.path, mutant.line))


def tests_of(mutant: Mutant) -> list[str]:
    """Return the tests to run: the mirror of the module first, then those of its room."""
    place = max((room for room in TESTS if mutant.path.startswith(room)), key=len)
    module = Path(mutant.path)
    mirror = Path("tests", *module.parts[1:-1], f"test_{module.name}")
    tests = [mirror.as_posix(), *TESTS[place]]
    return [test for test in dict.fromkeys(tests) if (ROOT / test).exists()]


def main() -> int:
    """Run the mutants; return 1 if fewer than the wanted share are caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--wanted", type=float, default=0.9)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--again", type=Path, help="only those of the sample that it lists")
    options = parser.parse_args()
    chosen, begin = sample(options.count, options.seed), time.monotonic()
    if options.again:
        survived = options.again.read_text(encoding="utf-8")
        chosen = [mutant for mutant in chosen if f"`{mutant}`" in survived]
    runner = Runner(ROOT, options.jobs)
    survivors = runner.survivors([(mutant, tests_of(mutant)) for mutant in chosen])
    caught = len(chosen) - len(survivors)
    minutes = (time.monotonic() - begin) / 60
    lines = [f"{caught} of {len(chosen)} mutants caught ({caught / len(chosen):.1%})", ""]
    lines += [f"- `{mutant}`" for mutant in survivors]
    print("\n".join([*lines, f"{minutes:.0f} minutes"]))
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0 if caught >= options.wanted * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
