"""What a running recovery tells whoever watches it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

__all__ = ["Event", "Progress", "silent"]


@dataclasses.dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        stage: the stage it happened in: link, probe, reduce, choose, expand, settle, cluster,
            fine_tune, challenge or lift; benchmark or demo outside a recovery.
        message: what happened, in one line for a person.
        values: the same as numbers, for a program, for example ``{"relative_loss": 1e-30}``.
    """

    stage: str
    message: str
    values: dict[str, float] = dataclasses.field(default_factory=dict)


Progress = Callable[[Event], None]


def silent(event: Event) -> None:
    """Watches nothing."""
