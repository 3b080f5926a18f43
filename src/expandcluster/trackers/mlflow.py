"""Events as runs of MLflow."""

from __future__ import annotations

import os

from expandcluster.errors import BadInput, MissingExtra
from expandcluster.progress import RecoveryFinished
from expandcluster.trackers.base import Tracker

__all__ = ["MlflowTracker"]

_FILES = ("run.json", "result.json", "network.safetensors")  # of a run folder
_LONGEST = 500  # characters of a parameter; the least that servers in use take


class MlflowTracker(Tracker):
    """Writes each recovery as a run of one experiment: parameters, metrics, verdict as a tag, network as an artifact.

    MLflow's usage reports are switched off before it is loaded. The user's active run and tracking address are left
    as they are.

    Args:
        uri: of the tracking store: a folder, the address of a server, or ``sqlite:///FILE`` (for which MLflow needs
            SQLAlchemy and Alembic).
        experiment: its name; made where it does not exist.

    Raises:
        BadInput: there is no such store.
        MissingExtra: the extra ``track`` is not installed.
    """

    name = "MLflow"

    def __init__(self, uri: str, experiment: str = "expandcluster") -> None:
        super().__init__()
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ.setdefault("DO_NOT_TRACK", "true")
        if uri.startswith("file:") or "://" not in uri:  # later versions ask for this where a store is a folder
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        try:
            import mlflow
        except ImportError as error:
            raise MissingExtra("mlflow-skinny", "track") from error
        try:
            self._client = mlflow.MlflowClient(tracking_uri=uri)
            known = self._client.get_experiment_by_name(experiment)
            self._experiment = self._client.create_experiment(experiment) if known is None else known.experiment_id
        except Exception as error:  # whatever a store raises
            raise BadInput(f"tracker mlflow:{uri}", got=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
                           expected="a tracking store that can be written", remedy="Check the address.") from error
        self._run: str | None = None

    def _begin(self, parameters: dict[str, str]) -> None:
        self._end(False)
        for name, value in parameters.items():
            self._client.log_param(self._open(), name, value[:_LONGEST])

    def _number(self, name: str, value: float, step: int) -> None:
        self._client.log_metric(self._open(), name, value, step=step)

    def _result(self, event: RecoveryFinished) -> None:
        run, recovery = self._open(), event.recovery
        if recovery is None:
            return
        folder = recovery.folder
        self._client.set_tag(run, "verdict", recovery.verdict.name)
        self._client.set_tag(run, "hidden_sizes", str(recovery.hidden_sizes))
        for path in [] if folder is None else [folder / name for name in _FILES]:
            if path.is_file():
                self._client.log_artifact(run, str(path))

    def _end(self, failed: bool) -> None:
        if self._run is not None:
            self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")
            self._run = None

    def _open(self) -> str:
        """The run, begun now if there is none."""
        if self._run is None:
            self._run = str(self._client.create_run(self._experiment).info.run_id)
        return self._run
