"""Every failure this package raises on purpose."""

from __future__ import annotations

import functools
from typing import Any

__all__ = [
    "BadInput",
    "BudgetSpent",
    "ExpandClusterError",
    "MissingExtra",
    "RunFolderError",
    "TeacherError",
]


class ExpandClusterError(Exception):
    """Base class of every failure raised on purpose by expandcluster."""


class BadInput(ExpandClusterError, ValueError):
    """Something a user passed cannot be used.

    Args:
        what: what was looked at, for example ``"outputs of the table"``.
        got: what came.
        expected: what would have been right.
        remedy: what to do about it.

    Example:
        >>> print(BadInput("seed", got="-1", expected="an integer of at least 0", remedy="Change seed."))
        seed: got -1; expected an integer of at least 0. Change seed.
    """

    def __init__(self, what: str, *, got: str, expected: str, remedy: str) -> None:
        self.what, self.got, self.expected, self.remedy = what, got, expected, remedy
        super().__init__(f"{what}: got {got}; expected {expected}. {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross process borders."""
        rebuild = functools.partial(type(self), got=self.got, expected=self.expected, remedy=self.remedy)
        return rebuild, (self.what,)


class TeacherError(BadInput):
    """The teacher's answers cannot be used (not finite, wrong shape, changing, constant)."""


class RunFolderError(BadInput):
    """A run folder cannot be used (it holds another run, or is damaged)."""


class BudgetSpent(ExpandClusterError):
    """The next batch of queries would exceed the query budget."""


class MissingExtra(ExpandClusterError, ImportError):
    """An optional package is needed and not installed.

    Args:
        package: the package that could not be imported.
        extra: the extra of expandcluster that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; it comes with the extra '{extra}': "
            f"pip install 'expandcluster[{extra}]'"
        )
        self.package, self.extra = package, extra

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross process borders."""
        return type(self), (self.package, self.extra)
