"""Runs tests against mutants, each in a process forked from one that has imported the libraries."""

import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

from mutation.operators import Mutant

LIBRARIES = (
    "albumentations",
    "cv2",
    "hypothesis",
    "jsonargparse",
    "matplotlib.figure",
    "py_sod_metrics",
    "pytest",
    "pytorch_lightning.cli",
    "scipy.sparse.linalg",
    "tensorboard.backend.event_processing.event_accumulator",
    "timm",
    "torchmetrics",
)
OTHER_PROCESSES = "not processes and not killed and not workers"
"""Leaves out tests that start processes: these import the code as it is on disk."""
CPU_SECONDS = 300
"""Processor time after which a mutant counts as caught: it does not end."""
TIMEOUT = 3600.0
"""Seconds after which a mutant that waits counts as caught."""


class MutantFinder(MetaPathFinder, Loader):
    """Imports one module from changed source instead of from its file.

    Args:
        mutant: The changed module.
        root: The repository.
    """

    def __init__(self, mutant: Mutant, root: Path) -> None:
        self.mutant, self.file = mutant, str(root / mutant.path)
        name = mutant.path.removesuffix(".py").replace("/", ".")
        self.name = name.removesuffix(".__init__")

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """Return the specification of the changed module, and None for all others."""
        if fullname != self.name:
            return None
        package = self.file.endswith("__init__.py")
        spec = spec_from_loader(fullname, self, origin=self.file, is_package=package)
        if spec is not None and package:
            spec.submodule_search_locations = [str(Path(self.file).parent)]
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        module.__file__ = self.file
        exec(compile(self.mutant.source, self.file, "exec"), module.__dict__)


class Runner:
    """Runs the tests of mutants in parallel processes.

    Args:
        root: The repository.
        jobs: Processes at a time.
    """

    def __init__(self, root: Path, jobs: int) -> None:
        self.root, self.jobs = root, jobs
        os.chdir(root)
        os.environ["OMP_NUM_THREADS"] = "1"
        for name in LIBRARIES:
            __import__(name)
        __import__("torch").set_num_threads(1)
        assert not any(name.split(".")[0] == "sod" for name in sys.modules)

    def survivors(self, work: Sequence[tuple[Mutant, list[str]]]) -> list[Mutant]:
        """Return the mutants that no test catches, in their order."""
        waiting, running = list(work), dict[int, tuple[Mutant, float]]()
        survived: list[Mutant] = []
        while waiting or running:
            while waiting and len(running) < self.jobs:
                mutant, tests = waiting.pop(0)
                running[self._start(mutant, tests)] = (mutant, time.monotonic())
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in running:
                mutant, _ = running.pop(pid)
                if status == 0:
                    survived.append(mutant)
                print(f"{'SURVIVED' if status == 0 else 'caught'} {mutant}", flush=True)
                continue
            self._end_late(running)
            time.sleep(0.05)  # between two looks at the processes
        return [mutant for mutant, _ in work if mutant in survived]

    def _end_late(self, running: dict[int, tuple[Mutant, float]]) -> None:
        """Kill what runs too long; its status counts as caught."""
        for pid, (_, begin) in running.items():
            if time.monotonic() - begin > TIMEOUT:
                os.killpg(pid, signal.SIGKILL)

    def _start(self, mutant: Mutant, tests: list[str]) -> int:
        """Fork a process that runs the tests with the mutant; its exit status is pytest's."""
        pid = os.fork()
        if pid:
            return pid
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(silence, stream)
        sys.meta_path.insert(0, MutantFinder(mutant, self.root))
        import pytest

        options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "-W", "ignore"]
        options += ["-k", OTHER_PROCESSES]
        # The files that are named first, alone: most mutants need no folders to be collected.
        few = next((n for n, test in enumerate(tests) if not test.endswith(".py")), len(tests))
        for part in (tests[:few], tests[few:]):
            status = int(pytest.main([*options, *part])) if part else 0
            if status not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
                os._exit(status)
        os._exit(0)
