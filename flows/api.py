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

from pipeline.errors import UserError

# No tool reports home, and Prefect keeps its own lines to itself.
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "PREFECT_LOGGING_LEVEL": os.environ.get("PREFECT_LOGGING_LEVEL", "WARNING"),
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
}
SECONDS = 90.0


@contextlib.contextmanager
def available() -> Iterator[str]:
    """The address of a Prefect API, exported as PREFECT_API_URL to this process and its children.

    Raises UserError if the named one, or the local one, does not answer.
    """
    named = os.environ.get("PREFECT_API_URL")
    if named:
        if not answers(named):
            raise UserError(f"PREFECT_API_URL: no Prefect API answers at {named}")
        yield named
        return
    with server() as address:
        from prefect.settings import PREFECT_API_URL, temporary_settings

        os.environ["PREFECT_API_URL"] = address
        try:
            with temporary_settings({PREFECT_API_URL: address}):
                yield address
        finally:
            del os.environ["PREFECT_API_URL"]


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A Prefect server on a free port of 127.0.0.1, stopped at the end. Its database stays in the project."""
    home = Path(os.environ.get("PREFECT_HOME", ".prefect")).absolute()
    home.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/api"
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-services",
    ]
    with open(home / "server.log", "w", encoding="utf-8") as log:
        child = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | QUIET | {"PREFECT_HOME": str(home)},
        )
    try:
        wait_for(address, child, home / "server.log")
        yield address
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()


def wait_for(address: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not answers(address):
        if child.poll() is not None or time.monotonic() > deadline:
            raise UserError(f"the local Prefect server did not start: see {log}")
        time.sleep(0.2)


def answers(address: str) -> bool:
    with (
        contextlib.suppress(urllib.error.URLError, OSError, ValueError),
        urllib.request.urlopen(f"{address}/health", timeout=5) as answer,
    ):
        return answer.status == 200
    return False
