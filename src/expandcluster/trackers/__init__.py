"""Trackers: watchers that write a recovery's events into TensorBoard or MLflow.

Each is a context manager and a watcher, to be given as ``progress``; several go through
:func:`expandcluster.progress.together`.
"""

from __future__ import annotations

from expandcluster.trackers.base import Tracker, open_tracker

__all__ = ["Tracker", "open_tracker"]
