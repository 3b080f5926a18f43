"""Teachers: what is probed."""

from expandcluster.teachers.base import Teacher
from expandcluster.teachers.open_teacher import open_teacher

__all__ = ["Teacher", "open_teacher"]
