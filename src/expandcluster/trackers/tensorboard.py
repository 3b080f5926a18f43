"""Events as TensorBoard's curves and texts."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from expandcluster.errors import BadInput, MissingExtra
from expandcluster.progress import RecoveryFinished
from expandcluster.trackers.base import Tracker

__all__ = ["TensorBoardTracker"]


class TensorBoardTracker(Tracker):
    """Writes event files that ``tensorboard --logdir DIR`` shows.

    The texts ``parameters`` and ``verdict`` say what was recovered and how it ended. TensorFlow is not needed.

    Args:
        folder: where event files are written; a second recovery goes to its subfolder ``2``, and so on.

    Raises:
        BadInput: the folder cannot be made.
        MissingExtra: the extra ``track`` is not installed.
    """

    name = "TensorBoard"

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__()
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise MissingExtra("tensorboard", "track") from error
        self._folder, self._open_file = Path(folder), EventFileWriter
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"tracker tensorboard:{folder}", got=f"a folder that cannot be made ({error.strerror})",
                           expected="a folder that can be written", remedy="Choose another one.") from error
        self._event, self._summary, self._tensor = event_pb2.Event, summary_pb2, tensor_pb2.TensorProto
        self._string = types_pb2.DT_STRING
        self._writer: Any = None
        self._recoveries = 0

    def _begin(self, parameters: dict[str, str]) -> None:
        self._recoveries += 1
        if self._recoveries > 1:
            self._end(False)
            self._writer = self._open_file(str(self._folder / str(self._recoveries)))
        lines = "\n".join(f"| {name} | {value} |" for name, value in parameters.items())
        self._text("parameters", f"| parameter | value |\n|---|---|\n{lines}")

    def _number(self, name: str, value: float, step: int) -> None:
        self._write(self._summary.Summary.Value(tag=name, simple_value=value), step)

    def _result(self, event: RecoveryFinished) -> None:
        advice = "" if event.recovery is None else f"\n\n{event.recovery.verdict.value}"
        self._text("verdict", event.message + advice)
        self._writer.flush()

    def _end(self, failed: bool) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _text(self, name: str, text: str) -> None:
        kind = self._summary.SummaryMetadata(
            plugin_data=self._summary.SummaryMetadata.PluginData(plugin_name="text"))
        tensor = self._tensor(dtype=self._string, string_val=[text.encode()])
        self._write(self._summary.Summary.Value(tag=name, tensor=tensor, metadata=kind), 0)

    def _write(self, value: Any, step: int) -> None:
        if self._writer is None:
            self._writer = self._open_file(str(self._folder))
        self._writer.add_event(self._event(wall_time=time.time(), step=step,
                                           summary=self._summary.Summary(value=[value])))
