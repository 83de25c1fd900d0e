"""One Prefect API per run: the one that PREFECT_API_URL names, or a local one for as long as it is needed."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from flows import leash
from pipeline.errors import UserError

# No tool reports home. What goes wrong is said by the stages themselves; Prefect keeps it for its own pages.
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "PREFECT_LOGGING_LEVEL": os.environ.get("PREFECT_LOGGING_LEVEL", "WARNING"),
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": os.environ.get("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL"),
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
}
# A server for one run needs the service that records task runs, and none that schedules, cleans up or reacts.
SERVICES = {
    f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false"
    for name in (
        "CANCELLATION_CLEANUP",
        "CLEANUP_RECONCILER",
        "EVENT_PERSISTER",
        "FOREMAN",
        "LATE_RUNS",
        "PAUSE_EXPIRATIONS",
        "REPOSSESSOR",
        "SCHEDULER",
        "TRIGGERS",
    )
}
SECONDS = 90.0  # that a local server may take to start


@contextlib.contextmanager
def available() -> Iterator[str]:
    """The address of a Prefect API, in PREFECT_API_URL for this process and its children. Enter it before importing
    Prefect, which reads its settings once.

    Raises UserError if the named one, or the local one, does not answer.
    """
    named = os.environ.get("PREFECT_API_URL")
    if named:
        if not answers(named):
            raise UserError(f"PREFECT_API_URL: no Prefect API answers at {named}")
        yield named
        return
    # Unless the user has a home for Prefect, it stays in the project, its database included.
    home = Path(os.environ.setdefault("PREFECT_HOME", str(Path(".prefect").absolute())))
    home.mkdir(parents=True, exist_ok=True)
    with server(home / "server.log") as address:
        yield address


@contextlib.contextmanager
def server(log: Path) -> Iterator[str]:
    """A Prefect server on a free port of 127.0.0.1, stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    with open(log, "w", encoding="utf-8") as handle:
        alone = leash.Group()
        child = alone.start([*command, "--port", port], handle, os.environ | QUIET | SERVICES)
    address = f"http://127.0.0.1:{port}/api"
    os.environ["PREFECT_API_URL"] = address
    try:
        import prefect  # noqa: F401 - a second's work, while the server starts

        wait_for(address, child, log)
        yield address
    finally:
        del os.environ["PREFECT_API_URL"]
        alone.stop()
        alone.wait(child)


def wait_for(address: str, child: subprocess.Popen[str], log: Path) -> None:
    """Return when the server answers; raises UserError if it ends or takes too long."""
    deadline = time.monotonic() + SECONDS
    while not answers(address):
        if child.poll() is not None or time.monotonic() > deadline:
            raise UserError(f"the local Prefect server did not start: see {log}")
        time.sleep(0.1)


def answers(address: str) -> bool:
    """Whether a Prefect API is there, one that wants a password included."""
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=3) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as error:
        return error.code in (401, 403)
    except (OSError, ValueError):
        return False
