"""What `sod tune` chose, as a file that every command reads as a config."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from sod.core.errors import SodError, suggest
from sod.core.files import write_text
from sod.core.formats import check_format, stamp
from sod.nn.backbones.build import BackboneConfig
from sod.spectral.masks import MasksConfig

FORMAT = 1
SECTION = "tuned"
"""Top-level key of the file."""


@dataclass(frozen=True)
class Tuned:
    """A tuned descriptor: the features of a backbone and how they are cut.

    Args:
        backbone: The backbone, and the feature for normalized cuts; no extra features.
        tau: Threshold on the cosine of two features.
        extra_features: Further features for trained heads; null: those of the method's config.
        propagate: Propagation of a head's logits; null: as in the method's config.
        scales: Scale factors at inference; null: as in the method's config.
        masks: The options of :class:`sod.spectral.masks.MasksConfig` that were switched on; null:
            none.
    """

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    tau: float = 0.2
    extra_features: list[str] | None = None
    propagate: float | None = None
    scales: list[float] | None = None
    masks: dict[str, Any] | None = None

    def backbone_arguments(self, heads: bool = False) -> dict[str, Any]:
        """Return the fields of a method's ``backbone``.

        Args:
            heads: Whether the extra features are wanted, if any were chosen.
        """
        arguments = asdict(self.backbone)
        del arguments["extra_features"]
        if heads and self.extra_features is not None:
            arguments["extra_features"] = list(self.extra_features)
        return arguments

    def inference_arguments(self) -> dict[str, Any]:
        """Return the fields of a method's ``inference`` that were chosen."""
        chosen = {"propagate": self.propagate, "scales": self.scales}
        return {name: value for name, value in chosen.items() if value is not None}


def write_tuned(tuned: Tuned, explanation: str, path: Path) -> None:
    """Write ``tuned.yaml`` with the explanation as a comment.

    Raises:
        SodError: The file cannot be written.
    """
    content = asdict(tuned)
    del content["backbone"]["extra_features"]
    content = {name: value for name, value in content.items() if value is not None}
    comment = "".join(f"# {line}\n" for line in explanation.splitlines())
    section = stamp(FORMAT) | content
    write_text(path, comment + yaml.safe_dump({SECTION: section}, sort_keys=False))


def tuned_of(content: dict[str, Any], path: str) -> Tuned | None:
    """Return the tuned descriptor of a config's content, or None if it has no such section.

    Args:
        content: Content of the YAML file.
        path: The file, for error messages.

    Raises:
        SodError: The section has unknown or missing keys, or the file has other sections too.
    """
    if SECTION not in content:
        return None
    section = content[SECTION]
    others = [key for key in content if key != SECTION]
    if others or not isinstance(section, dict) or not isinstance(section.get("backbone"), dict):
        raise SodError(f"{path}: expected `tuned:` alone, as `sod tune` writes it")
    check_format(section, FORMAT, path)
    section = {key: value for key, value in section.items() if key not in stamp(FORMAT)}
    _check(section, Tuned, path, f"{SECTION}.")
    _check(section["backbone"], BackboneConfig, path, f"{SECTION}.backbone.")
    if section.get("masks"):
        _check(section["masks"], MasksConfig, path, f"{SECTION}.masks.")
    return Tuned(**{**section, "backbone": BackboneConfig(**section["backbone"])})


def _check(section: dict[str, Any], cls: type, path: str, prefix: str) -> None:
    known = [entry.name for entry in fields(cls)]
    for key in section:
        if key not in known:
            raise SodError(f"{path}: unknown key '{prefix}{key}'.{suggest(key, known)}")
