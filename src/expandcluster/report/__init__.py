"""A report of a finished run: one HTML file that needs nothing else."""

from __future__ import annotations

from expandcluster.report.write import GENERATOR, write_report

__all__ = ["GENERATOR", "write_report"]
