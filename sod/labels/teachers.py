"""Teachers: any method, from a config or a checkpoint, whose maps others learn from."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser

from sod.core.errors import SodError, suggest
from sod.data.dataset import SaliencyDataset
from sod.data.loader import Loader
from sod.data.samples import Sample
from sod.data.transforms import EvalTransform
from sod.engine.checkpoint import describe, load_weights
from sod.engine.method import Method, known_methods
from sod.labels.store import LabelStore
from sod.nn.backbones.weights import state_checksum
from sod.refine.refinement import Refinement, refine


@dataclass(frozen=True)
class LabelsConfig:
    """What it learns from.

    Args:
        kind: ``pseudo`` (no mask is opened) or real ``masks``, which needs data.supervised.
        store: A pseudo-label store, as `sod predict --pseudo` writes it; null: ``pseudo`` in the
            folder of the run. What a teacher's store lacks is made when training begins.
        teacher: Makes the pseudo-masks: a config (FILE.yaml, or several joined by +) or a
            checkpoint; null: TokenCut on this backbone's first features, or, where ``store`` is
            given, whatever made that.
        tau: TokenCut's threshold, where it is the teacher.
        refine: What is done to the teacher's maps.
        keep: Share of the pseudo-masks that is trained on, those that stand out best.
        low: Objects with a smaller share of their image rank last.
        high: Objects with a larger share of their image rank last.
        trust_images: Weigh images by their pseudo-mask's score.
        trust_pixels: Weigh pixels by how far the soft map is from undecided.
    """

    kind: Literal["pseudo", "masks"] = "pseudo"
    store: str | None = None
    teacher: str | None = None
    tau: float = 0.2
    refine: Refinement = "bilateral"
    keep: float = 0.5
    low: float = 0.03
    high: float = 0.6
    trust_images: bool = False
    trust_pixels: bool = False

    def __post_init__(self) -> None:
        """Refuse values that mean nothing, naming the field."""
        if not 0 < self.keep <= 1:
            raise SodError(f"labels.keep: {self.keep} is not in (0, 1]")


def build_teacher(path: str) -> Method:
    """Build the method of a checkpoint, or of the ``model`` section of a config.

    Args:
        path: A checkpoint of `sod fit`, or ``FILE.yaml[+FILE.yaml...]``, the later overriding.

    Raises:
        SodError: A file is missing or unusable.
    """
    if not path.endswith((".yaml", ".yml")):
        name, arguments = describe(path)
        method = build_method(name, arguments, {}, path)
        load_weights(method, path)
        return method
    model: dict[str, Any] = {}
    for part in path.split("+"):
        model = _merged(model, _model_section(part))
    return build_method(model["class_path"], model.get("init_args", {}), {}, path)


def build_method(
    class_path: str, init_args: Mapping[str, Any], defaults: Mapping[str, Any], where: str
) -> Method:
    """Build a method by its name.

    Args:
        class_path: The name of its class.
        init_args: Its constructor's arguments, as primitives.
        defaults: Arguments that are given if the method has them and they are not in ``init_args``.
        where: Who asks, for messages.

    Raises:
        SodError: There is no such method, or it does not take these arguments.
    """
    known = {cls.__name__: cls for cls in known_methods()}
    if class_path not in known:
        raise SodError(f"{where}: there is no method '{class_path}'.{suggest(class_path, known)}")
    taken = inspect.signature(known[class_path]).parameters
    given = {name: value for name, value in defaults.items() if name in taken}
    return _instantiate({"class_path": class_path, "init_args": {**given, **init_args}}, where)


def source_of(teacher: Method, refinement: Refinement) -> dict[str, Any]:
    """Describe what makes the maps: a teacher with other weights is another source."""
    return {
        "method": type(teacher).__name__,
        "arguments": teacher.arguments(),
        "weights_sha256": state_checksum(teacher.state_dict()),
        "refine": refinement,
        "version": 1,
    }


def label_images(
    teacher: Method,
    samples: Sequence[Sample],
    store: LabelStore,
    refinement: Refinement,
    workers: int,
    processes: int = 1,
) -> int:
    """Write this process's share of the pseudo-masks that the store does not have yet.

    Args:
        teacher: Makes them, on its own device.
        samples: The images; no mask of theirs is opened.
        store: Where to.
        refinement: What is done to them first.
        workers: Processes that read images.
        processes: Processes that label, the store's ``rank`` counting among them.

    Returns:
        How many were made.

    Raises:
        SodError: An image cannot be read, or the store cannot be written.
    """
    missing = store.missing(samples, processes)
    if not missing:
        return 0
    dataset = SaliencyDataset(missing, EvalTransform(), with_masks=False)
    teacher.eval()
    for batch in Loader(dataset, workers=min(workers, len(missing) - 1)):
        images = batch["images"].to(teacher.device)
        with torch.no_grad():
            maps = refine(images, teacher.saliency(images), refinement)
        for sample, saliency in zip(batch["samples"], maps, strict=True):
            store.write(sample, saliency[0])
    return len(missing)


def fill_store(
    teacher: Method,
    samples: Sequence[Sample],
    folder: str | Path,
    refinement: Refinement,
    ranks: tuple[int, int],
    barrier: Callable[[], object],
    workers: int = 0,
) -> LabelStore:
    """Let all processes together make what a store lacks.

    Args:
        teacher: Makes it.
        samples: Whose pseudo-masks are wanted.
        folder: Of the store.
        refinement: What is done to the maps.
        ranks: The number of this process, and how many there are.
        barrier: Waits for the others.
        workers: Processes that read images.

    Raises:
        SodError: As :func:`label_images`.
    """
    rank, processes = ranks
    store = LabelStore(folder, source_of(teacher, refinement), rank)
    barrier()  # nobody writes before all have seen whose labels these are
    label_images(teacher, samples, store, refinement, workers, processes)
    barrier()
    if rank == 0:
        store.join()
    barrier()
    return complete_store(folder, samples)


def complete_store(folder: str | Path, samples: Sequence[Sample]) -> LabelStore:
    """Open a store that has the pseudo-mask of every sample.

    Raises:
        SodError: It lacks one, or one belongs to another image or is damaged.
    """
    store = LabelStore(folder)
    missing = store.missing(samples)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise SodError(
            f"labels.store {folder}: has no whole pseudo-mask of {missing[0].image}{more}: "
            "run `sod predict --pseudo` on these images, or name a labels.teacher."
        )
    return store


def _model_section(path: str) -> dict[str, Any]:
    if not Path(path).is_file():
        raise SodError(f"teacher {path}: there is no such file.")
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SodError(f"teacher {path}: is not valid YAML.") from error
    model = content.get("model") if isinstance(content, dict) else None
    if isinstance(model, str):
        return {"class_path": model}
    if not isinstance(model, dict) or "class_path" not in model:
        raise SodError(f"teacher {path}: has no `model:` with a `class_path:`.")
    return model


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    joined = dict(below)
    for key, value in above.items():
        old = joined.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _merged(old, value)
        joined[key] = value
    return joined


def _instantiate(model: dict[str, Any], path: str) -> Method:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Method, "model")
    try:
        built = parser.instantiate(parser.parse_object({"model": model}))["model"]
    except (ArgumentError, ValueError, TypeError) as error:
        detail = " ".join(str(error).split())
        raise SodError(f"{path}: {detail}") from error
    if not isinstance(built, Method):
        raise SodError(f"{path}: {model.get('class_path')} is not a method.")
    return built
