"""Speed of one PEEKABOO training step against the same step with the plain bilateral solver.

    python benchmarks/step.py [--shared ../shared] [--passes 3] [--threads 1]

The step is the published one: two forward passes, two refinements, the 1x1 head, backward and
AdamW, on crops of 224x224. Only the solver differs: the plain one is the reference of the tests
(tests/helpers/bilateral_oracle.py), solved image by image and target by target. The images are
synthetic scenes if ECSSD is absent, and the weights random if the stand-in weights are; the results
name both. The shortest wall and processor times of all passes are reported, because other processes
affect wall time more.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast
from unittest.mock import patch

import torch
from bilateral import oracle
from common import ROOT, Row, shortest, write_results
from torch import Tensor

from sod.cli.app import assemble
from sod.cli.catalogue import COMMANDS
from sod.data.dataset import Batch
from sod.methods.peekaboo import Peekaboo
from sod.refinement import BilateralGrid, refine_targets

TARGET = 2.5
CASES = {
    "ViT-Ti/16, values of block 6": ("vit_tiny_patch16_224", "value", 6, 16),
    "ViT-S/8, keys of the last block, random weights": ("vit_small_patch8_224", "key", -1, 2),
}
GPU_CASE = ("vit_small_patch8_224", "key", -1, 50)


class PlainGrid(BilateralGrid):
    """Plain formulation of the solver with the interface of the fast one."""

    def __init__(self, images: Tensor) -> None:
        self.levels = (images.double() * 255).round().permute(0, 2, 3, 1).cpu().numpy()
        self.size = (len(images), images.shape[2], images.shape[3])

    def solve(
        self,
        targets: Tensor,
        confidence: float | Tensor = 0.999,
        lam: float = 256.0,
        tolerance: float = 1e-5,
        iterations: int = 25,
    ) -> Tensor:
        """Solve all targets one by one, with the reference's own constants."""
        solved = [
            torch.from_numpy(oracle.solve(image, target.numpy()).clip(0, 1))
            for image, maps in zip(self.levels, targets.double().cpu(), strict=True)
            for target in maps
        ]
        return torch.stack(solved).view(targets.shape).to(targets)


def prepare(case: tuple[str, str, int, int], shared: Path) -> tuple[Peekaboo, Batch, str]:
    """Return the published method, a training batch, and a description of images and weights."""
    name, facet, block, size = case
    file = shared / "weights" / f"{name}.safetensors"
    real = (shared / "data" / "ECSSD").is_dir()
    arguments = ["--config", str(ROOT / "configs" / "peekaboo.yaml"), "--data.num_workers=0"]
    arguments += [f"--model.backbone.name={name}", f"--model.backbone.facet={facet}"]
    arguments += [f"--model.backbone.weights={file if file.is_file() else 'null'}"]
    arguments += [f"--model.backbone.block={block}", f"--data.batch_size={size}"]
    arguments += ["--data.root", str(shared / "data" if real else ROOT / "demo" / "data")]
    arguments += [f"--data.train={'ECSSD' if real else 'builtin-64-256'}"]
    program = assemble(COMMANDS["fit"], arguments)
    method = cast("Peekaboo", program.method)
    batch = next(iter(program.datamodule.train_dataloader()))
    source = "ECSSD" if real else "synthetic scenes"
    weights = "supervised stand-in" if file.is_file() else "random"
    return method.train(), batch, f"{source}, {weights} weights"


def step_of(method: Peekaboo, batch: Batch) -> Callable[[], float]:
    """Return a function that makes one optimiser step from the same head and returns the loss."""
    start = {name: value.clone() for name, value in method.head.state_dict().items()}

    def step() -> float:
        method.head.load_state_dict(start)
        optimiser = torch.optim.AdamW(method.head.parameters(), lr=0.05)
        loss = method.loss(batch).loss
        torch.autograd.backward(loss)
        optimiser.step()
        return loss.item()

    return step


def refinement_of(method: Peekaboo, batch: Batch) -> Callable[[], object]:
    """Return a function that makes the refinement of the step: grids, two targets per image."""
    images = batch["images"]
    with torch.no_grad():
        binary = (method.patch_logits(images) > 0).repeat(1, 2, 1, 1)
    return lambda: refine_targets(BilateralGrid(images), binary, "any")


def compare(case: str, shared: Path, passes: int) -> Row:
    """Time the step with both solvers on the CPU."""
    method, batch, source = prepare(CASES[case], shared)
    step = step_of(method, batch)
    fast = shortest(step, passes)
    forward = shortest(lambda: method.backbone(batch["images"]), passes)
    refinement = shortest(refinement_of(method, batch), passes)
    loss = step()
    with patch("sod.nn.losses.peekaboo.BilateralGrid", PlainGrid):
        slow = shortest(step, passes)
        difference = abs(step() - loss)
    return {
        "case": f"{case}, batch {CASES[case][3]} ({source})",
        "threads": torch.get_num_threads(),
        "plain_wall_ms": slow[0],
        "step_wall_ms": fast[0],
        "plain_cpu_ms": slow[1],
        "step_cpu_ms": fast[1],
        "forward_cpu_ms": 2 * forward[1],
        "refinement_cpu_ms": refinement[1],
        "ratio_wall": slow[0] / fast[0],
        "ratio_cpu": slow[1] / fast[1],
        "loss_difference": difference,
    }


def on_gpu(shared: Path, passes: int) -> str:
    """Describe the solver's share of the time of the published step on a GPU, if there is one."""
    if not torch.cuda.is_available():
        return "There is no GPU here: the solver's share of the step on a GPU is not measured."
    method, batch, source = prepare(GPU_CASE, shared)
    method = method.cuda()
    batch["images"] = batch["images"].cuda()

    def seconds(function: Callable[[], object]) -> float:
        times = []
        for _ in range(passes + 1):
            torch.cuda.synchronize()
            start = time.perf_counter()
            function()
            torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        return min(times[1:])

    whole, solver = seconds(step_of(method, batch)), seconds(refinement_of(method, batch))
    return (
        f"{torch.cuda.get_device_name()}: ViT-S/8, batch {GPU_CASE[3]} ({source}): a step takes "
        f"{1000 * whole:.0f} ms, the refinement {solver / whole:.0%} of it (target 20%); 500 steps "
        f"{500 * whole / 60:.1f} minutes without the loader."
    )


def write(rows: list[Row], gpu: str, passes: int) -> None:
    """Print the table and write ``results/step.{json,md}``."""
    lines = [
        "# One PEEKABOO step against the same step with the plain solver, milliseconds",
        "",
        f"`python benchmarks/step.py`; published step (`configs/peekaboo.yaml`) on crops of "
        f"224x224; shortest of {passes} passes after one warm-up pass; {platform.machine()}, "
        f"{os.cpu_count()} CPU cores, torch {torch.__version__}; load average at the end "
        f"{os.getloadavg()[0]:.1f} (wall time means little if it exceeds the core count). "
        f"Target: {TARGET} times faster.",
        "",
        "| backbone | threads | plain, wall | ours, wall | plain, CPU | ours, CPU | of it forward "
        "| of it refinement | times faster, wall | times faster, CPU | difference of the loss |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    form = (
        "| {case} | {threads} | {plain_wall_ms:.0f} | {step_wall_ms:.0f} | {plain_cpu_ms:.0f} "
        "| {step_cpu_ms:.0f} | {forward_cpu_ms:.0f} | {refinement_cpu_ms:.0f} | {ratio_wall:.2f} "
        "| {ratio_cpu:.2f} | {loss_difference:.0e} |"
    )
    lines += [form.format(**row) for row in rows] + ["", gpu]
    report = {"passes": passes, "torch": torch.__version__, "gpu": gpu, "rows": rows}
    write_results("step", lines, report)


def main() -> None:
    """Measure every case on the CPU and the solver's share on a GPU, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = [compare(case, options.shared, options.passes) for case in CASES]
    write(rows, on_gpu(options.shared, options.passes), options.passes)


if __name__ == "__main__":
    main()
