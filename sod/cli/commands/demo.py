"""`sod demo`: a page to try models in a browser, on this machine alone."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sod.api.loading import load
from sod.api.model import Model
from sod.cli.program import Program, console
from sod.core.errors import SodError
from sod.demo.page import build_page, gradio
from sod.demo.server import HOST, check_port, serve
from sod.engine.checkpoint import load_checkpoint
from sod.refinement.kinds import parse_refinements


def demo(
    cli: Program,
    ckpt: str | None = None,
    refine: str = "none",
    also: str | None = None,
    port: int = 7860,
) -> int:
    """Try a model in a browser: a page on this machine alone, which sends nothing elsewhere.

    Args:
        cli: The assembled program.
        ckpt: Checkpoint of a trained method, or an exported model.
        refine: The refinement that is chosen at first: none, bilateral or adaptive.
        also: Further models to choose from, comma-separated: checkpoints, or names of configs.
        port: Port of the page, at 127.0.0.1.
    """
    gradio()
    method, (first,) = cli.method, parse_refinements(refine)
    if ckpt is None and method.is_trainable():
        raise SodError(f"{type(method).__name__} has to be trained first: give --ckpt FILE.")
    check_port(port)
    load_checkpoint(method, ckpt)
    device = cli.build_trainer([]).strategy.root_device
    name = ckpt or type(method).__name__
    models: dict[str, Callable[[], Model]] = {name: lambda: Model(method, device)}
    for other in (part.strip() for part in (also or "").split(",") if part.strip()):
        models[other] = partial(load, other, device=device)
    with tempfile.TemporaryDirectory(prefix="sod-demo-") as folder:
        page = build_page(models, first, Path(folder))
        console.print(f"http://{HOST}:{port}  (Ctrl-C ends it)", highlight=False)
        serve(page, port)
    return 0
