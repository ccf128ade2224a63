"""Generations: students trained on pseudo-masks become, as an ensemble, the next teacher.

After Croitoru, Bogolin and Leordeanu (ICCV 2017; IJCV 2019), for images instead of video. This
module holds the trained ensemble; :mod:`sod.methods.generations.pipeline` trains it.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.core.seed import run_seed
from sod.engine.building import build_method
from sod.engine.checkpoint import checkpoint_of
from sod.engine.method import Method
from sod.engine.proposals import map_proposals
from sod.engine.training import Training
from sod.labels.consensus import Combine, agreements, combine
from sod.labels.selection import ESTIMATES, SelectionConfig
from sod.labels.teachers import build_teacher
from sod.methods.generations.pipeline import Pipeline, check_batches
from sod.methods.generations.students import STUDENTS, StudentConfig
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.vit import share_backbones
from sod.nn.decoders.quality import QualityConfig, QualityNetwork
from sod.refinement.kinds import Refinement, parse_refinements
from sod.tuning.choice import Tuned

BACKBONE = BackboneConfig(extra_features=["token.4", "token.6", "token.8", "token.10"])
SELECTION, QUALITY = SelectionConfig(), QualityConfig()


class Generations(Method):
    """The ensemble of the students; before any is trained, of the first teachers.

    Args:
        backbone: Backbone of TokenCut, the first teacher, and of students that name none.
        teachers: The first teachers: configs (FILE.yaml, or several joined by +), checkpoints, or
            pseudo-label stores of the very images (folders). Empty: TokenCut on the backbone's
            first features.
        tau: TokenCut's threshold.
        students: The students, trained from scratch in every generation.
        generations: Number of generations.
        refine: Refinement of an ensemble's maps before the next generation is trained on them.
        refined_weight: Weight of the refined map in the labels of students; the unrefined map has
            the rest, because repeated refinement removes thin parts. Labels of the first teachers
            are wholly refined.
        keep_previous_students: Keep the students of earlier generations in the ensemble.
        teacher_weight: Weight of the first teachers' label in the labels of students. It keeps the
            systematic errors of students from being repeated and amplified.
        selection: Which pseudo-masks are trained on.
        quality_network: The network that scores maps, trained on the agreement of the students.
        combine: How maps are combined: their ``mean``, ``weighted`` by quality scores, or the one
            with the ``best`` score. First teachers are scored by their agreement.
        power: Exponent of the scores as weights.
        more_data: Datasets whose images are added in each generation, the first entry in the first
            one; an entry may be empty or several names, comma-separated.
        distilled: One network that is trained on the last ensemble's labels and written as
            ``student.ckpt``; null: none.
    """

    def __init__(
        self,
        backbone: BackboneConfig = BACKBONE,
        teachers: list[str] | None = None,
        tau: float = 0.2,
        students: list[StudentConfig] = STUDENTS,
        generations: int = 2,
        refine: Refinement = "bilateral",
        refined_weight: float = 0.5,
        keep_previous_students: bool = True,
        teacher_weight: float = 0.33,
        selection: SelectionConfig = SELECTION,
        quality_network: QualityConfig = QUALITY,
        combine: Combine = "weighted",
        power: float = 4.0,
        more_data: list[str] | None = None,
        distilled: StudentConfig | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        _check(students, generations, refined_weight, teacher_weight)
        parse_refinements(refine, "refine")
        self.config, self.teachers, self.tau = backbone, teachers or [], tau
        self.students, self.generations, self.refine = list(students), generations, refine
        self.refined_weight, self.teacher_weight = refined_weight, teacher_weight
        self.keep_previous_students, self.selection = keep_previous_students, selection
        self.combine: Combine = combine
        self.power, self.more_data = power, more_data or []
        self.distilled = distilled
        self.members = nn.ModuleDict()
        self.quality_config = quality_network
        self.quality_network = QualityNetwork(quality_network)
        # In a dict: first teachers are built when they are needed and are in no checkpoint.
        self._teachers: dict[str, Method] = {}

    @classmethod
    def tuned_arguments(cls, tuned: Tuned) -> dict[str, Any]:
        """Return the features, and the threshold of TokenCut, the first teacher."""
        return {"backbone": tuned.backbone_arguments(heads=True), "tau": tuned.tau}

    def check_training(self, training: Training) -> None:
        """Check data and options before anything is written.

        Raises:
            SodError: A checkpoint is given, a dataset is not there, or the processes cannot share
                the batch of a student.
        """
        if training.ckpt is not None:
            raise SodError(
                "--ckpt: generations continue from their folder: give the same --out instead; a "
                "checkpoint can be their first teacher (model.teachers)."
            )
        training.data.expect_labels()
        super().check_training(training)
        if self.selection.score in ESTIMATES:
            build_backbone(self.config)  # before hours of training rather than after
        check_batches(self, training)

    def fit(self, training: Training) -> None:
        """Train all generations, or those that are missing in the folder.

        Raises:
            SodError: The folder holds the run of another configuration.
        """
        pipeline = Pipeline(self, training, run_seed())
        training.write_config()
        last = pipeline.run()
        student = "" if self.distilled is None else "; its distilled network in student.ckpt"
        training.report(
            f"{self.generations} generations in {training.folder}; ensemble in {last}{student}"
        )

    def first_teachers(self) -> dict[str, Method]:
        """Return the teachers of the first generation by name, on this module's device."""
        if not self._teachers and not self.teachers:
            own = BackboneConfig(**{**vars(self.config), "extra_features": []})
            self._teachers = {"teacher0": TokenCut(own, self.tau)}
        elif not self._teachers:
            self._teachers = {
                f"teacher{number}": build_teacher(path)
                for number, path in enumerate(self.teachers)
                if not Path(path).is_dir()
            }
        return {name: teacher.to(self.device).eval() for name, teacher in self._teachers.items()}

    def teacher_stores(self) -> dict[str, str]:
        """Return the pseudo-label stores among the first teachers, by name."""
        paths = enumerate(self.teachers)
        return {f"teacher{number}": path for number, path in paths if Path(path).is_dir()}

    def build_student(self, config: StudentConfig) -> Method:
        """Build one untrained student.

        Raises:
            SodError: There is no such method, or it does not take these arguments.
        """
        defaults = {"backbone": vars(self.config)}
        return build_method(config.method, config.arguments, defaults, config.name)

    def set_members(self, members: dict[str, Method], quality_network: QualityNetwork) -> None:
        """Set trained students as the ensemble, and the network that scores their maps."""
        share_backbones(members.values())
        self.members = nn.ModuleDict(members)
        self.quality_network = quality_network

    def saliency(self, images: Tensor) -> Tensor:
        """Return the combined maps of the students, or of the first teachers before training."""
        members = dict(self.members.items()) or self.first_teachers()
        if not members:
            raise SodError("teachers: stores hold no map of other images; train the students first")
        maps = torch.stack([_method(member).saliency(images) for member in members.values()])
        return combine(maps, self.member_scores(images, maps), self.combine, self.power)

    def proposals(self, image: Tensor, saliency: Tensor) -> list[Tensor]:
        """Return the combined map and its parts, and the map of each member."""
        members = dict(self.members.items()) or self.first_teachers()
        maps = [_method(member).saliency(image[None])[0, 0] for member in members.values()]
        return [*map_proposals(saliency), *maps]

    def member_scores(self, images: Tensor, maps: Tensor) -> Tensor:
        """Score each member's map, without ground truth.

        Args:
            images: ``[B, 3, H, W]`` in [0, 1].
            maps: ``[M, B, 1, H, W]`` in [0, 1].

        Returns:
            ``[M, B]`` in [0, 1], of the quality network; for first teachers, their agreement.
        """
        if not self.members:
            return torch.stack([agreements(each[:, 0]) for each in maps.unbind(1)], 1)
        return torch.stack([self.quality_network(images, each).sigmoid() for each in maps])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store each student as the checkpoint that it is by itself."""
        super().on_save_checkpoint(checkpoint)
        state = checkpoint["state_dict"]
        kept = {name: value for name, value in state.items() if not name.startswith("members.")}
        checkpoint["state_dict"] = kept
        checkpoint["students"] = [
            {"name": name, **checkpoint_of(_method(member))}
            for name, member in self.members.items()
        ]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Build the students of the checkpoint with their weights."""
        state = checkpoint["state_dict"]
        members: dict[str, Method] = {}
        for stored in checkpoint.get("students", []):
            name = stored["name"]
            content = {"state_dict": _without_prefix(state, f"members.{name}."), **stored}
            student = build_method(content["method"], content["hyper_parameters"], {}, name)
            student.on_load_checkpoint(content)
            student.load_state_dict(content["state_dict"])
            members[name] = student
        share_backbones(members.values())
        self.members = nn.ModuleDict(members)
        own = self.members.state_dict()
        state.update({f"members.{name}": value for name, value in own.items()})

    def portable(self) -> dict[str, Any]:
        """Return a portable checkpoint that describes each student beside all weights.

        Raises:
            SodError: No student is trained yet.
        """
        if not self.members:
            raise SodError("Generations: no student is trained yet: give --ckpt RUN/last.ckpt.")
        content = super().portable()
        content["students"] = [
            {"name": name, **_description(_method(member))} for name, member in self.members.items()
        ]
        return content

    def is_traceable(self) -> bool:
        """Return whether all students are traceable."""
        return all(_method(member).is_traceable() for member in self.members.values())


def _check(
    students: list[StudentConfig], generations: int, refined_weight: float, teacher_weight: float
) -> None:
    """Reject invalid arguments."""
    names = [student.name for student in students]
    if not students or len(set(names)) < len(names):
        raise SodError("students: name at least one, each by a name of its own")
    if generations < 1:
        raise SodError(f"generations: {generations} is not at least 1")
    for name, weight in (("refined_weight", refined_weight), ("teacher_weight", teacher_weight)):
        if not 0 <= weight <= 1:
            raise SodError(f"{name}: {weight} is not in 0..1")


def _method(member: nn.Module) -> Method:
    assert isinstance(member, Method)  # noqa: S101 - narrows the type
    return member


def _description(member: Method) -> dict[str, Any]:
    """Return a portable checkpoint without its weights."""
    return {key: value for key, value in member.portable().items() if key != "state_dict"}


def _without_prefix(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the entries whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): value for k, value in state.items() if k.startswith(prefix)}
