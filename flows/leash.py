"""Commands that do not outlive the process that started them, however that process ends.

Between the two stands this file, run as a script: it starts the command in a process group of its own and waits, with
one end of a pipe as its standard input. The kernel closes the other end when the starter is gone, killed or not; then
the whole group is told to stop, and killed if it does not.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

GRACE = 10.0  # seconds between being told to stop and being killed


class Stopped(Exception):
    """Nothing is started any more."""


class Group:
    """Commands that are stopped together, and with this process at the latest."""

    def __init__(self) -> None:
        self.stopped = False
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()

    def start(self, command: Sequence[str], output: int | IO[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start a command; its stdout and stderr go to `output`. Raises Stopped after `stop`."""
        with self._lock:
            if self.stopped:
                raise Stopped
            # -I -S: nothing but the standard library is needed, and starting costs milliseconds.
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).resolve()), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
                env=env,
            )
            self._running.add(child)
        return child

    def wait(self, child: subprocess.Popen[str]) -> int:
        """The exit code of a command, 128 plus the number of the signal if one ended it."""
        code = child.wait()
        self._running.discard(child)
        _let_go(child)
        return code

    def stop(self) -> None:
        """Tell all commands and what they started to stop, and start no more; does not wait."""
        self.stopped = True
        for child in list(self._running):
            _let_go(child)


def _let_go(child: subprocess.Popen[str]) -> None:
    with contextlib.suppress(OSError):
        if child.stdin:
            child.stdin.close()


def _main(command: Sequence[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A handler and not SIG_IGN, which the command would inherit.
        signal.signal(number, _stay)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    gone = threading.Event()
    watch = threading.Thread(target=_watch, args=(child.pid, gone), daemon=True)
    watch.start()
    code = child.wait()
    if gone.is_set():
        watch.join()
    return code if code >= 0 else 128 - code


def _stay(*_: object) -> None:
    """The command's group gets its signals from `_watch`; this process stays to see them out."""


def _watch(group: int, gone: threading.Event) -> None:
    """When the starter is gone or lets go, end the process group."""
    while os.read(0, 1):
        continue
    gone.set()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            time.sleep(0.05)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
