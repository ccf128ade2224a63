"""Student-teacher generations: teachers label, students are trained and label in turn."""

from sod.methods.generations.ensemble import Generations
from sod.methods.generations.students import StudentConfig

__all__ = ["Generations", "StudentConfig"]
