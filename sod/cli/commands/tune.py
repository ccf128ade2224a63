"""`sod tune`: the features of any backbone that cut objects best, found without masks."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from rich.progress import track

from sod.cli.parser import SodParser, read_options
from sod.cli.program import console, say, say_failed
from sod.core.devices import pick_device
from sod.core.errors import SodError
from sod.core.locks import output_folder
from sod.data.datamodule import SaliencyData
from sod.nn.backbones.build import BackboneConfig
from sod.tuning.configurations import TAUS, parse_taus
from sod.tuning.tune import TuneOptions, evenly_spaced
from sod.tuning.tune import tune as choose

T = TypeVar("T")


def tune(arguments: Sequence[str]) -> int:
    """Find the features and the threshold with which a backbone cuts objects best, without masks.

    Args:
        arguments: Command line after ``tune``.

    Returns:
        0, or 1 if an image could not be read.

    Raises:
        SodError: The command line is invalid, or no image can be read.
    """
    options = read_options(tune, _add_options, arguments)
    if options["images"] < 2:
        raise SodError(f"--images {options['images']}: at least 2 are needed")
    backbone = BackboneConfig(
        **{key: options[f"model.backbone.{key}"] for key in ("name", "weights", "pos_embed")}
    )
    data = SaliencyData(root=options["data.root"], train=options["data.train"])
    samples = evenly_spaced(data.train_samples(), options["images"])
    device = str(pick_device(options["device"]))
    folder = output_folder(options["out"])
    names = " or ".join([backbone.name, *(each.name for each in _second(options))])
    say(f"{names} on {device}, {len(samples)} images")
    settings = TuneOptions(
        (backbone, *_second(options)),
        parse_taus(options["taus"]),
        options["max_tokens"],
        device,
        options["heads"],
    )
    tuning = choose(samples, folder, settings, _progress)
    say(tuning.explanation)
    files = ["tuned.yaml", "scores.csv", "scores.png", *["choices.csv"] * options["heads"]]
    say(f"Written to {folder}: {', '.join(files)}, cuts.png")
    say_failed(tuning.failures)
    return 1 if tuning.failures else 0


def _second(options: Any) -> list[BackboneConfig]:  # noqa: ANN401 - jsonargparse's namespace
    """Return the second backbone of the parsed options, if there is one."""
    if options["second.name"] is None:
        return []
    if not options["heads"]:
        raise SodError("--second.name: backbones are compared by heads: leave out --heads false")
    keys = ("name", "weights", "pos_embed")
    return [BackboneConfig(**{key: options[f"second.{key}"] for key in keys})]


def _progress(items: Iterable[T], total: int, description: str) -> Iterator[T]:
    yield from track(items, f"{description:<10}", total, console=console)


def _add_options(parser: SodParser) -> None:
    backbone = BackboneConfig()
    add = parser.add_argument
    add("--model.backbone.name", type=str, required=True, help="a timm model, or descriptor")
    add(
        "--model.backbone.weights",
        type=str | None,
        default=backbone.weights,
        help="hub, a .safetensors or .pth file, or null (random weights)",
    )
    add("--model.backbone.pos_embed", type=str, default="auto", help="dino, timm or auto")
    add("--second.name", type=str | None, default=None, help="another backbone to compare")
    add("--second.weights", type=str | None, default=backbone.weights, help="its weights")
    add("--second.pos_embed", type=str, default="auto", help="dino, timm or auto")
    add("--heads", type=bool, default=True, help="also choose what trained heads see")
    add("--data.root", type=str, default="datasets", help="the data root")
    add("--data.train", type=str, required=True, help="a folder of images, or datasets")
    add("--images", type=int, default=64, help="number of images, evenly spaced in data.train")
    add("--taus", type=str, default=",".join(f"{tau:g}" for tau in TAUS), help="thresholds")
    add("--max_tokens", type=int, default=1600, help="larger images are shrunk to these tokens")
    add("--device", type=str, default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add("--out", type=str, default="tuned", help="folder for tuned.yaml and the reports")
