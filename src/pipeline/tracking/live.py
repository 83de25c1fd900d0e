"""Curves while training, if the server can be reached; a server that cannot never fails or slows a training."""

import contextlib
import hashlib
import queue
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.files import read_json, write_json
from pipeline.tracking import store

PATIENCE = 10.0  # seconds that a finished training waits for its last points to be written
Row = tuple[int, Mapping[str, float]]


def note(root: Path, key: str) -> Path:
    """Where the id of an experiment's live run is kept until `sync` has completed it."""
    return root / "runs" / "live" / f"{key}.json"


def finished(root: Path, key: str) -> str | None:
    """The live run of the experiment's last training, if that one had a run and ended well."""
    path = note(root, key)
    noted = read_json(path) if path.exists() else {}
    return noted["run_id"] if noted.get("finished") else None


class LiveRun:
    """Points go into a queue; a thread of its own speaks to the server."""

    def __init__(self, key: str, data: str, system: str, settings: object, root: Path) -> None:
        self.key, self.data, self.system, self.root = key, data, system, root
        self.settings = hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
        self.run_id: str | None = None
        self._drop_foreign_note()
        self._rows: queue.Queue[Row | None] = queue.Queue(maxsize=10_000)
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def log(self, step: int, losses: Mapping[str, float]) -> None:
        """Note the losses of the equations at a step; returns at once."""
        with contextlib.suppress(queue.Full):
            self._rows.put_nowait((step, dict(losses)))

    def close(self) -> None:
        with contextlib.suppress(queue.Full):
            self._rows.put_nowait(None)
        self._thread.join(PATIENCE)
        # Said here and not at the server, which may be down: this training made the model that is in the workspace.
        path = note(self.root, self.key)
        if path.exists():
            write_json(path, {**read_json(path), "finished": True})

    def _drop_foreign_note(self) -> None:
        """What is noted of a training that ended, or had other settings, says nothing of this one."""
        path = note(self.root, self.key)
        if path.exists():
            noted = read_json(path)
            if noted["settings"] != self.settings or noted.get("finished"):
                path.unlink()

    def _write(self) -> None:
        try:
            client = store.client(self.root)
            self.run_id = self._resumed(client) or self._created(client)
            while (row := self._rows.get()) is not None:
                client.log_batch(self.run_id, metrics=_points(row))
            client.set_terminated(self.run_id)
        # Whatever goes wrong here, the training is worth more than its live picture; `sync` will log it whole.
        except Exception as error:
            lines = str(error).splitlines()
            print(f"warning: no live curves: {lines[0] if lines else error!r}", file=sys.stderr, flush=True)

    def _created(self, client) -> str:
        experiment = store.experiment_id(client, self.root, self.data)
        tags = {"stage": f"train@{self.key}", "settings": self.settings}
        run_id = client.create_run(experiment, run_name=self.system, tags=tags).info.run_id
        write_json(note(self.root, self.key), {"run_id": run_id, "settings": self.settings})
        return run_id

    def _resumed(self, client) -> str | None:
        """The run of this training before it was interrupted, if it is still open."""
        path = note(self.root, self.key)
        if not path.exists():
            return None
        with contextlib.suppress(Exception):
            run = client.get_run(read_json(path)["run_id"])
            if run.info.status == "RUNNING":
                return run.info.run_id
        return None


def _points(row: Row) -> list:
    from mlflow.entities import Metric

    step, losses = row
    now = int(time.time() * 1000)
    return [Metric(store.metric_name(f"loss/{name}"), value, now, step) for name, value in losses.items()]


@contextlib.contextmanager
def live(key: str, data: str, system: str, settings: object, root: Path) -> Iterator[LiveRun]:
    """A live run of the training of a system on a data set; it is left open if the training fails, so that a second try
    with the same settings (anything whose text says what they are) goes on with it."""
    run = LiveRun(key, data, system, settings, root)
    yield run
    run.close()
