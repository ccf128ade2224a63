"""Student-teacher generations: label, select, learn, judge, and teach the next generation."""

from sod.methods.generations.ensemble import Generations, StudentConfig

__all__ = ["Generations", "StudentConfig"]
