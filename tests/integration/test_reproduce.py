"""The flow over a small graph of shell stages: real DVC, a real Prefect server, real signals."""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows import api
from tests.conftest import REPOSITORY

# Each stage notes when it began and ended; one that reads "fail" ends with code 3.
STAGE = """
  {name}:
    cmd: >-
      echo {name} began `date +%s.%N` >> events; echo working on {name}; sleep {seconds};
      if grep -q fail {dep}; then echo {name} cannot; exit 3; fi;
      cat {dep} > {name}.out; echo {name} ended `date +%s.%N` >> events
    deps: [{deps}]
    outs: [{name}.out]
"""
GRAPH = {
    "fetch": ("start.txt",),
    "left": ("left.txt", "fetch.out"),
    "right": ("right.txt", "fetch.out"),
    "join": ("right.out", "left.out"),
    "last": ("join.out",),
}


class Small:
    """A git and DVC repository with five stages: fetch, then left and right, then join, then last."""

    def __init__(self, root: Path, address: str | None) -> None:
        self.root = root
        unset = ("MLFLOW", "PREFECT", "DVC")
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(unset)},
            "PYTHONPATH": f"{REPOSITORY / 'src'}:{REPOSITORY}",
            **({"PREFECT_API_URL": address} if address else {}),
        }
        stages = [
            STAGE.format(name=name, dep=deps[0], deps=", ".join(deps), seconds=1 if name in ("left", "right") else 0)
            for name, deps in GRAPH.items()
        ]
        (root / "dvc.yaml").write_text(f"stages:{''.join(stages)}")
        for name in ("start", "left", "right"):
            (root / f"{name}.txt").write_text(f"{name}\n")
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        self.dvc("init", "-q")

    def dvc(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=self.root, env=self.env, check=True, capture_output=True, text=True).stdout

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.reproduce", "--no-sync", *arguments],
            cwd=self.root,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Standard output and error of a run that has to end with `code`."""
        child = self.start(*arguments)
        out, err = child.communicate(timeout=120)
        assert child.returncode == code, out + err
        return out, err

    def events(self) -> dict[str, float]:
        """`<stage> began` and `<stage> ended`, each with its last time."""
        path = self.root / "events"
        lines = path.read_text().splitlines() if path.exists() else []
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}

    def processes(self) -> list[psutil.Process]:
        """Those that work in this folder."""
        return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(self.root)]

    def wait_for(self, event: str) -> None:
        deadline = time.monotonic() + 60
        while event not in self.events():
            assert time.monotonic() < deadline, f"no `{event}`"
            time.sleep(0.05)

    def slow(self, stage: str, seconds: int) -> None:
        """Let a stage take so long; it is stale then."""
        text = (self.root / "dvc.yaml").read_text()
        head, tail = text.split(f"working on {stage}; sleep ")
        (self.root / "dvc.yaml").write_text(f"{head}working on {stage}; sleep {re.sub('^[0-9]+', str(seconds), tail)}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Prefect API for the module."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        with api.server(home / "server.log") as address:
            yield address


@pytest.fixture
def small(tmp_path: Path, server: str) -> Small:
    return Small(tmp_path, server)


def ask(server: str, what: str, **query: object) -> list[dict]:
    """Objects of the Prefect API, newest first."""
    request = urllib.request.Request(
        f"{server}/{what}/filter", json.dumps(query).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def newest(server: str, flow: str) -> dict:
    (run, *_) = ask(server, "flow_runs", flows={"name": {"any_": [flow]}}, sort="START_TIME_DESC", limit=1)
    return run


def tasks(server: str, run: dict) -> dict[str, str]:
    """The task runs of a flow run and its subflows: state by name."""
    of_stages = {"id": {"any_": [run["id"]]}}
    return {task["name"]: task["state_type"] for task in ask(server, "task_runs", flow_runs=of_stages)}


def test_order_is_kept_independent_stages_overlap_and_prefect_knows_them(small: Small, server: str) -> None:
    out, err = small.run("--concurrency", "2")
    at = small.events()
    for parent, child in (("fetch", "left"), ("fetch", "right"), ("left", "join"), ("right", "join"), ("join", "last")):
        assert at[f"{parent} ended"] < at[f"{child} began"]
    assert max(at["left began"], at["right began"]) < min(at["left ended"], at["right ended"])
    assert "up to date" in small.dvc("status")
    assert "[left] started" in out
    assert "[left] working on left" in out
    assert re.search(r"\[left\] done in \d+\.\d s", out)
    assert not err
    assert "working on left" in (small.root / "runs" / "logs" / "left.log").read_text()
    assert tasks(server, newest(server, "stages")) == dict.fromkeys(GRAPH, "COMPLETED")
    assert newest(server, "reproduce")["state_type"] == "COMPLETED"
    # Prefect keeps the time of what ran: a second run with nothing to do asks it for nothing.
    before = newest(server, "reproduce")["id"]
    assert "nothing is stale" in small.run()[0]
    assert newest(server, "reproduce")["id"] == before


def test_one_at_a_time_if_told_so(small: Small) -> None:
    small.run("--concurrency", "1", "--targets", "left", "right")
    at = small.events()
    assert max(at["left began"], at["right began"]) > min(at["left ended"], at["right ended"])
    assert "join began" not in at


def test_a_failed_stage_costs_what_follows_it_and_nothing_else(small: Small) -> None:
    (small.root / "left.txt").write_text("fail\n")
    out, err = small.run(code=1)
    assert "[left] left cannot" in out
    line = "error: failed: left (see runs/logs/left.log); not run because of that: join, last"
    assert err.splitlines() == [line]
    assert "left cannot" in (small.root / "runs" / "logs" / "left.log").read_text()
    assert {"right ended", "fetch ended"} < small.events().keys()
    assert "join began" not in small.events()
    (small.root / "left.txt").write_text("well\n")
    assert "3 stages to run" in small.run()[0]
    assert "last ended" in small.events()


def test_a_failing_fetch_is_tried_three_times(small: Small, server: str) -> None:
    (small.root / "start.txt").write_text("fail\n")
    out, _ = small.run("--targets", "fetch", code=1)
    assert out.count("[fetch] fetch cannot") == 3
    assert tasks(server, newest(server, "stages")) == {"fetch": "FAILED"}


def test_two_at_once_are_refused_and_a_stopped_one_goes_on_later(small: Small) -> None:
    small.slow("right", 30)
    first = small.start()
    small.wait_for("right began")
    _, err = small.run(code=2)
    assert len(err.splitlines()) == 1
    assert "another reproduce is running" in err
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=30)
    assert first.returncode == 130
    assert err.splitlines() == ["error: stopped; the same command goes on where it was"]
    assert not small.processes()
    small.slow("right", 0)
    small.run()
    assert "last ended" in small.events()


def test_a_stopped_fetch_is_not_tried_again(small: Small) -> None:
    small.slow("fetch", 30)
    first = small.start()
    small.wait_for("fetch began")
    stopped = time.time()
    first.send_signal(signal.SIGTERM)
    _, err = first.communicate(timeout=30)
    assert first.returncode == 143
    assert err.splitlines() == ["error: stopped; the same command goes on where it was"]
    assert small.events()["fetch began"] < stopped
    assert not small.processes()


def test_a_killed_run_leaves_no_process_behind_and_the_next_one_completes(tmp_path: Path) -> None:
    alone = Small(tmp_path, None)
    alone.slow("right", 30)
    first = alone.start()
    alone.wait_for("right began")
    servers = [process for process in alone.processes() if "server" in process.cmdline()]
    assert servers
    assert (tmp_path / ".prefect" / "server.log").exists()
    first.kill()
    first.communicate(timeout=30)
    deadline = time.monotonic() + 15
    while alone.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alone.processes()
    alone.slow("right", 0)
    alone.run()
    assert "last ended" in alone.events()
    assert not alone.processes()
    with sqlite3.connect(tmp_path / ".prefect" / "prefect.db") as database:
        done = {name for (name,) in database.execute("select name from task_run where state_type = 'COMPLETED'")}
    assert {"left", "right", "join", "last"} <= done
    log = tmp_path / ".prefect" / "server.log"
    written = log.stat().st_mtime_ns
    started = time.monotonic()
    assert "nothing is stale" in alone.run()[0]
    assert log.stat().st_mtime_ns == written
    assert time.monotonic() - started < 5


def test_a_terminal_shows_what_is_at_work_and_keeps_what_is_done(small: Small) -> None:
    terminal, inside = pty.openpty()
    command = [sys.executable, "-m", "flows.reproduce", "--no-sync", "--targets", "right"]
    child = subprocess.Popen(command, cwd=small.root, env=small.env | {"TERM": "xterm"}, stdout=inside, stderr=inside)
    os.close(inside)
    shown = b""
    # Reading a terminal whose other side is closed is an error on Linux.
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 10_000):
            shown += part
    os.close(terminal)
    assert child.wait(30) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"1 of 2 stages done, 1 at work", text)
    assert re.search(r"right +\d+ +working on right", text)
    assert re.search(r"\[right\] done in \d", text)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--runner", "abacus"], "unknown runner `abacus`: expected one of thread, dask, ray"),
        (["--concurrency", "many"], "--concurrency: invalid int value: 'many'"),
    ],
)
def test_bad_usage_is_named(small: Small, arguments: list[str], expected: str) -> None:
    _, err = small.run(*arguments, code=2)
    assert expected in err
    assert "Traceback" not in err


def test_an_api_that_does_not_answer_is_named(small: Small) -> None:
    small.env["PREFECT_API_URL"] = "http://127.0.0.1:9/api"
    _, err = small.run(code=2)
    assert err.splitlines() == ["error: PREFECT_API_URL: no Prefect API answers at http://127.0.0.1:9/api"]


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process; one that does not stop when it is asked, as a worker now and then, is killed."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


def test_the_nightly_deployment_is_scheduled_and_runs_on_a_worker(small: Small, server: str) -> None:
    """The README's three lines, with the server of this module."""
    shutil.copytree(REPOSITORY / "flows", small.root / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "prefect.yaml", small.root)
    prefect = [sys.executable, "-m", "prefect"]
    where = {"cwd": small.root, "env": small.env | {"PWD": str(small.root)}}
    command = [*prefect, "worker", "start", "--pool", "pipeline", "--type", "process"]
    with (
        open(small.root / "worker.log", "w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, **where) as worker,
    ):
        try:
            deadline = time.monotonic() + 60
            while not ask(server, "work_pools") and time.monotonic() < deadline:
                time.sleep(0.3)
            subprocess.run([*prefect, "deploy", "--all"], check=True, stdin=subprocess.DEVNULL, timeout=60, **where)
            chosen = ["--param", 'targets=["left"]', "--param", "concurrency=1"]
            run = [*prefect, "deployment", "run", "reproduce/nightly", "--watch", *chosen]
            subprocess.run(run, check=True, timeout=120, **where)
        finally:
            end(worker)
    (deployment,) = ask(server, "deployments")
    assert [each["schedule"]["cron"] for each in deployment["schedules"]] == ["0 2 * * *"]
    assert {"targets", "force", "runner", "concurrency"} <= set(deployment["parameters"])
    ran = newest(server, "reproduce")
    assert (ran["deployment_id"], ran["state_type"]) == (deployment["id"], "COMPLETED")
    assert "left ended" in small.events()
    assert "right began" not in small.events()


SCRIPT = """
import time
from flows import stage
from pipeline.errors import UserError

def wait():
    print("ready", flush=True)
    time.sleep(60)

def refuse():
    raise UserError("key: no such thing")

def steps(key, params, root):
    made = {"load": lambda: None, "fit": lambda: stage.Record(mlflow_run_id="a run")}
    return {**made, **{"wait": {"wait": wait}, "refuse": {"refuse": refuse}}.get(key, {})}

stage.main("train", steps, "what")
"""


@pytest.fixture(params=["with an API", "plainly"])
def stage(request: pytest.FixtureRequest, small: Small) -> Small:
    """A workspace with a stage module, run with and without a Prefect API."""
    if request.param == "plainly":
        del small.env["PREFECT_API_URL"]
    (small.root / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    (small.root / "stage.py").write_text(SCRIPT)
    return small


def start_stage(stage: Small, key: str) -> subprocess.Popen[str]:
    command = [sys.executable, "stage.py", key]
    out = subprocess.PIPE
    return subprocess.Popen(command, cwd=stage.root, env=stage.env, stdout=out, stderr=out, text=True)


def test_a_stage_records_its_run_and_is_a_flow_where_there_is_an_api(stage: Small, server: str) -> None:
    child = start_stage(stage, "key")
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    record = json.loads((stage.root / "runs" / "train@key.json").read_text())
    assert record["stage"] == "train@key"
    assert record["mlflow_run_id"] == "a run"
    if "PREFECT_API_URL" in stage.env:
        run = newest(server, "train")
        assert (run["id"], run["name"], run["state_type"]) == (record["flow_run_id"], "train@key", "COMPLETED")
        assert {name.split("-")[0] for name in tasks(server, run)} == {"load", "fit"}
    else:
        assert record["flow_run_id"] is None


def test_a_stage_that_refuses_says_so_in_one_line_and_leaves_no_record(stage: Small) -> None:
    record = stage.root / "runs" / "train@refuse.json"
    record.parent.mkdir()
    record.write_text("{}")
    child = start_stage(stage, "refuse")
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (2, "error: key: no such thing\n")
    assert not record.exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stage_that_is_stopped_says_so_in_one_line(stage: Small, number: signal.Signals, code: int) -> None:
    child = start_stage(stage, "wait")
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == code
    assert len(err.splitlines()) == 1
    assert "the same command goes on where it was" in err
    assert not (stage.root / "runs" / "train@wait.json").exists()


def test_an_api_that_is_gone_costs_a_stage_one_line(small: Small) -> None:
    (small.root / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    (small.root / "stage.py").write_text(SCRIPT)
    small.env["PREFECT_API_URL"] = "http://127.0.0.1:9/api"
    child = start_stage(small, "key")
    _, err = child.communicate(timeout=60)
    assert child.returncode == 0
    assert len(err.splitlines()) == 1
    assert "http://127.0.0.1:9/api" in err
    assert json.loads((small.root / "runs" / "train@key.json").read_text())["flow_run_id"] is None
