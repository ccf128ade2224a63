"""What this machine offers: packages, devices, weights and the network."""

import os
import platform
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import sod
from sod.core.places import weight_folders

REQUIRED = ("torch", "torchvision", "pytorch-lightning", "timm", "numpy", "pillow")
EXTRAS = {
    "onnx": ("onnxruntime",),
    "export": ("onnx", "onnxscript", "onnxruntime"),
    "video": ("av",),
    "heic": ("pillow-heif",),
    "demo": ("gradio",),
    "docs": ("mkdocs-material",),
}
"""Packages of each optional extra."""

HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        topic: What was looked at.
        value: What was found.
        remedy: What to do about it, or an empty string.
        broken: Whether the program cannot work with it.
    """

    topic: str
    value: str
    remedy: str = ""
    broken: bool = False


def examine(network: bool = True) -> Iterator[Finding]:
    """Yield what was found, topic by topic.

    Args:
        network: Also ask the hub of weights for a response.
    """
    yield Finding("sod", f"{sod.__version__} in {Path(sod.__file__).parent}")
    yield Finding("Python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield from _packages()
    yield from _imports()
    yield from _extras()
    yield from _weights()
    if network:
        yield _network()


def installed(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _packages() -> Iterator[Finding]:
    for name in REQUIRED:
        found = installed(name)
        remedy = "" if found else "pip install sod installs it"
        yield Finding(name, found or "not installed", remedy, broken=found is None)


def _imports() -> Iterator[Finding]:
    """Import what has to match, and list the devices."""
    try:
        import_module("torchvision")
        torch = import_module("torch")
    except Exception as error:  # a mismatched pair raises RuntimeError, a broken one OSError
        reason = str(error).partition("\n")[0]
        remedy = "install torch and torchvision with one pip command, so that they match"
        yield Finding("torch and torchvision", f"do not load: {reason}", remedy, broken=True)
        return
    yield Finding("CPU", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield Finding("GPU", f"{', '.join(names)} (CUDA {torch.version.cuda})")
    elif torch.backends.mps.is_available():
        yield Finding("GPU", "Apple's, by MPS")
    elif torch.version.cuda is None and sys.platform != "darwin":
        remedy = "for an NVIDIA GPU, install the CUDA build of torch and torchvision"
        yield Finding("GPU", "none: this torch is built for the CPU", remedy)
    else:
        yield Finding("GPU", "none found", "with an NVIDIA GPU, check its driver (nvidia-smi)")


def _extras() -> Iterator[Finding]:
    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if installed(name) is None]
        value = f"{', '.join(missing)} not installed" if missing else "installed"
        yield Finding(
            f"extra {extra}", value, f"pip install 'sod[{extra}]' if needed" if missing else ""
        )


def _weights() -> Iterator[Finding]:
    """List weights in the hub's cache and in the usual folders."""
    cache = Path(os.environ.get("HF_HUB_CACHE") or _home() / "hub")
    names = [path.name for path in cache.glob("models--timm--*")]
    local = [
        str(path)
        for folder in weight_folders()
        for path in sorted(folder.glob("*"))
        if path.suffix in {".safetensors", ".pth"}
    ]
    found = [name.removeprefix("models--timm--") for name in sorted(names)] + local
    remedy = "" if found else "timm downloads them at first use, or give backbone.weights a FILE"
    yield Finding("weights", ", ".join(found) or "none found", remedy)


def _home() -> Path:
    return Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")


def _network() -> Finding:
    remedy = "without it, pass weights as a file: --model.backbone.weights FILE"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return Finding("hub", "not asked, HF_HUB_OFFLINE is set", remedy)
    try:
        urllib.request.urlopen(urllib.request.Request(HUB, method="HEAD"), timeout=5).close()
    except urllib.error.HTTPError:
        return Finding("hub", "reachable")
    except OSError as error:
        return Finding("hub", f"not reachable ({type(error).__name__})", remedy)
    return Finding("hub", "reachable")
