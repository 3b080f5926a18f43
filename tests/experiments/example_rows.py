"""Rows of an experiment that never ran."""

from __future__ import annotations

import dataclasses
from typing import Any

from expandcluster.experiments.rows import Row

ROW = Row(inputs=8, hidden=4, seed=0, settings="default", rho=4.0, students=4, losses=(1e-30, 1e-28, 1e-9, None),
          at_floor=3, found=4, max_parameter_error=2e-16, verdict="EXACT", relative_loss=1e-31, steps=100, seconds=2.0,
          queries=1112, processor_seconds=3.0)


def row(**changes: Any) -> Row:
    """A row: two of its four students are at the floor, one has no finite loss; its teacher was recovered."""
    return dataclasses.replace(ROW, **changes)
