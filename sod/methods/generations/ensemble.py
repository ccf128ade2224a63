"""Generations: students taught by others become, together, the next and better teacher.

After Croitoru, Bogolin and Leordeanu (ICCV 2017; IJCV 2019), for images instead of video. What one
trained generation says is all that is here; `sod.generations` makes the generations.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.engine.method import Method
from sod.labels.consensus import Combine, agreements, combine
from sod.labels.selection import SelectionConfig
from sod.labels.teachers import build_method, build_teacher
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.vit import share_backbones
from sod.nn.decoders.quality import EvalSegConfig, EvalSegNet
from sod.refine.refinement import Refinement


@dataclass(frozen=True)
class StudentConfig:
    """One student of every generation.

    Args:
        name: Its name in files and tables.
        method: The method, one that learns from pseudo-masks: ConnNet or Student.
        arguments: Its arguments; a ``backbone`` that is not named is the generations' own.
        max_steps: Optimiser steps; null: the trainer's.
        batch_size: Images per step and process; null: the data's.
        size: Side of the training images in pixels; null: the data's.
    """

    name: str
    method: str = "ConnNet"
    arguments: dict[str, Any] = field(default_factory=dict)
    max_steps: int | None = None
    batch_size: int | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        """Refuse a name that cannot be one of a folder and a module."""
        if not self.name.isidentifier():
            raise SodError(f"students: '{self.name}' is no name; use letters, digits and _")
        if re.match(r"gen\d+_", self.name):
            raise SodError(f"students: '{self.name}' names a student of an earlier generation")


BACKBONE = BackboneConfig(more=["token.4", "token.6", "token.8", "token.10"])
PATCHES = {"width": 64, "relation": False, "layers": 1, "dropout": 0.3, "merge": True, "finest": 16}
STUDENTS = [
    StudentConfig(
        "binary",
        "ConnNet",
        {"network": PATCHES, "head": {"kind": "binary", "weights": {"iou": 1.0}}},
    ),
    StudentConfig(
        "connectivity",
        "ConnNet",
        {
            "network": PATCHES,
            "head": {
                "aggregation": "max",
                "weights": {"connectivity": 0.0, "voted": 1.0, "iou": 1.0},
            },
        },
    ),
    StudentConfig(
        "dilated",
        "Student",
        {
            "network": {"kind": "dilated", "width": 8, "size": 128},
            "loss_kind": "entropy",
            "iou": 1.0,
        },
    ),
]
SELECTION, EVALSEG = SelectionConfig(), EvalSegConfig()


class Generations(Method):
    """The students of all generations together; before any has learnt, their first teachers.

    Args:
        backbone: Of TokenCut, the first teacher, and of students that name none of their own.
        teachers: The first teachers: configs (FILE.yaml, or several joined by +), checkpoints, or
            pseudo-label stores of the very images (folders); several vote. None named: TokenCut on
            the backbone's first features.
        tau: TokenCut's threshold.
        students: Who learns, each from scratch in every generation.
        generations: How many there are.
        refine: What is done to what a generation says together before it is taught to the next.
        share: Share of the refined map in what students say together, the rest is the map as it
            was: refinements of refinements wear an object's thin parts away. Of what the first
            teachers say, all of it is refined.
        alumni: Let the students of earlier generations speak beside those of the last one, so that
            what one generation has learnt is not lost with the next; false: the last ones alone.
        memory: Share of the first teachers' label in what students teach. The first teachers err
            here and there, students in the same way everywhere: taught what their own kind says
            alone, the next ones do so all the more.
        selection: Which pseudo-masks are taught.
        evalseg: The selection network.
        combine: How maps are joined: their ``mean``, ``weighted`` by the scores of the selection
            network, or the ``best`` scored. First teachers are scored by their agreement.
        power: Of the scores as weights.
        more: Datasets whose images join at each generation, the first entry at the first one; an
            entry may be empty or several names, comma-separated.
    """

    def __init__(
        self,
        backbone: BackboneConfig = BACKBONE,
        teachers: list[str] | None = None,
        tau: float = 0.2,
        students: list[StudentConfig] = STUDENTS,
        generations: int = 2,
        refine: Refinement = "bilateral",
        share: float = 0.5,
        alumni: bool = True,
        memory: float = 0.33,
        selection: SelectionConfig = SELECTION,
        evalseg: EvalSegConfig = EVALSEG,
        combine: Combine = "weighted",
        power: float = 4.0,
        more: list[str] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        names = [student.name for student in students]
        if not students or len(set(names)) < len(names):
            raise SodError("students: name at least one, each by a name of its own")
        if generations < 1:
            raise SodError(f"generations: {generations} is not at least 1")
        for name, part in (("share", share), ("memory", memory)):
            if not 0 <= part <= 1:
                raise SodError(f"{name}: {part} is not in 0..1")
        self.config, self.teachers, self.tau = backbone, teachers or [], tau
        self.plan, self.generations, self.refine = list(students), generations, refine
        self.share, self.memory = share, memory
        self.alumni, self.selection, self.power = alumni, selection, power
        self.combine: Combine = combine
        self.more = more or []
        self.members = nn.ModuleDict()
        self.evalseg_config = evalseg
        self.evalseg = EvalSegNet(evalseg)
        # In a dict: first teachers are built where they are needed and belong to no checkpoint.
        self._first: dict[str, Method] = {}

    @classmethod
    def learns(cls) -> bool:
        """Say that it can be trained, though in stages of its own."""
        return True

    def first_teachers(self) -> dict[str, Method]:
        """Return the teachers of the first generation by name, on this module's device."""
        if not self._first and not self.teachers:
            own = BackboneConfig(**{**vars(self.config), "more": []})
            self._first = {"teacher0": TokenCut(own, self.tau)}
        elif not self._first:
            self._first = {
                f"teacher{number}": build_teacher(path)
                for number, path in enumerate(self.teachers)
                if not Path(path).is_dir()
            }
        return {name: teacher.to(self.device).eval() for name, teacher in self._first.items()}

    def teacher_stores(self) -> dict[str, str]:
        """Return the pseudo-label stores among the first teachers, by name."""
        paths = enumerate(self.teachers)
        return {f"teacher{number}": path for number, path in paths if Path(path).is_dir()}

    def build_student(self, config: StudentConfig) -> Method:
        """Build one student, untrained.

        Raises:
            SodError: There is no such method, or it does not take these arguments.
        """
        return build_method(
            config.method, config.arguments, {"backbone": vars(self.config)}, config.name
        )

    def graduate(self, students: dict[str, Method], evalseg: EvalSegNet) -> None:
        """Let trained students, and the network that scores them, speak from now on."""
        share_backbones(students.values())
        self.members = nn.ModuleDict(students)
        self.evalseg = evalseg

    def saliency(self, images: Tensor) -> Tensor:
        """Return what the students, or before them the first teachers, say together."""
        members = dict(self.members.items()) or self.first_teachers()
        if not members:
            raise SodError("teachers: stores know their own images only; train the students first")
        maps = torch.stack([self._ask(member, images) for member in members.values()])
        return combine(maps, self.member_scores(images, maps), self.combine, self.power)

    def member_scores(self, images: Tensor, maps: Tensor) -> Tensor:
        """Score what each member says, without a mask.

        Args:
            images: ``[B, 3, H, W]`` in [0, 1].
            maps: ``[M, B, 1, H, W]`` in [0, 1].

        Returns:
            ``[M, B]`` in [0, 1], of the selection network; of first teachers, their agreement.
        """
        if not self.members:
            return torch.stack([agreements(each[:, 0]) for each in maps.unbind(1)], 1)
        with torch.autocast(images.device.type, enabled=False):
            return torch.stack([self.evalseg(images, each).sigmoid() for each in maps.float()])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store each student as the checkpoint that it is by itself."""
        super().on_save_checkpoint(checkpoint)
        state = checkpoint["state_dict"]
        kept = {name: value for name, value in state.items() if not name.startswith("members.")}
        checkpoint["state_dict"] = kept
        checkpoint["students"] = [self._stored(name) for name in self.members]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Build the students that the checkpoint holds, with their weights."""
        students: dict[str, Method] = {}
        for stored in checkpoint.get("students", []):
            name = stored["name"]
            own = _part(checkpoint["state_dict"], f"members.{name}.")
            content = {"state_dict": own, **stored}
            student = build_method(content["method"], content["hyper_parameters"], {}, name)
            student.on_load_checkpoint(content)
            student.load_state_dict(content["state_dict"])
            students[name] = student
        share_backbones(students.values())
        self.members = nn.ModuleDict(students)
        found = {f"members.{name}": value for name, value in self.members.state_dict().items()}
        checkpoint["state_dict"].update(found)

    def portable(self) -> dict[str, Any]:
        """Describe each student beside the weights of all of them.

        Raises:
            SodError: There are none yet.
        """
        if not self.members:
            raise SodError("Generations: no student has learnt yet: give --ckpt RUN/last.ckpt.")
        content = super().portable()
        content["students"] = [{"name": name, **self._described(name)} for name in self.members]
        return content

    def traceable(self) -> bool:
        """Say whether all students are graphs."""
        return all(self._student(name).traceable() for name in self.members)

    def _student(self, name: str) -> Method:
        student = self.members[name]
        assert isinstance(student, Method)  # noqa: S101 - narrows the type
        return student

    def _described(self, name: str) -> dict[str, Any]:
        content = self._student(name).portable()
        return {key: value for key, value in content.items() if key != "state_dict"}

    def _stored(self, name: str) -> dict[str, Any]:
        student = self._student(name)
        content: dict[str, Any] = {"name": name, "state_dict": student.state_dict()}
        student.on_save_checkpoint(content)
        return content

    @staticmethod
    def _ask(member: nn.Module, images: Tensor) -> Tensor:
        assert isinstance(member, Method)  # noqa: S101 - narrows the type
        return member.saliency(images)


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the entries below a prefix, without it."""
    return {k.removeprefix(prefix): value for k, value in state.items() if k.startswith(prefix)}
