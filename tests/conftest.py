"""Shared by all tests: real MNIST, fetched once, and a small workspace to run the real tools in."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from filelock import FileLock
from ruamel.yaml import YAML

from pipeline import cli

REPOSITORY = Path(__file__).parent.parent


def kept(name: str, fetch: Callable[[Path], object]) -> Path:
    """A folder in .cache/ that `fetch` fills once for all runs; it is whole or absent. Raises what `fetch` raises."""
    folder = REPOSITORY / ".cache" / name
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            fetch(folder)
    return folder


@pytest.fixture(scope="session")
def mnist_raw() -> Path:
    """A folder with the four raw files of MNIST, checked."""
    from pipeline import data

    return kept("mnist", lambda folder: data.fetch("mnist", folder))


@pytest.fixture(scope="session")
def imagenet_cnn() -> Path:
    """A folder with the published weights of the ImageNet CNN. Skips without them."""
    from pipeline.data import imagenet_cnn
    from pipeline.errors import UserError

    try:
        return kept("imagenet_cnn", imagenet_cnn.fetch)
    except UserError as error:
        pytest.skip(str(error))


class Workspace:
    """A copy of the project as it is now, studies aside, in a git and DVC repository of its own, with small settings."""

    def __init__(self, root: Path, archives: Path) -> None:
        self.root = root
        names = subprocess.check_output(["git", "ls-files", "-coz", "--exclude-standard"], cwd=REPOSITORY, text=True)
        for name in filter(None, names.split("\0")):
            if (REPOSITORY / name).is_file() and not name.startswith(("tests/", "studies/")):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPOSITORY / name, root / name)
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "PREFECT", "DVC"))},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{root / 'src'}:{root}",
            "PIPELINE_ARCHIVES": str(archives),
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1",
        }
        self.git("init", "-q")
        self.git("config", "user.email", "tests@localhost")
        self.git("config", "user.name", "tests")
        self.commit()

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "state", "--allow-empty")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", *arguments]

    def run(self, *arguments: str, code: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """`python -m ARGUMENTS` in the workspace; `code` is the expected exit code (None: any)."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.root, env=self.env | env, capture_output=True, text=True, timeout=600
        )
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def pipeline(self, *arguments: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        return self.run("pipeline.cli", *arguments, code=code, **env)

    def set(self, path: str, value: object) -> None:
        """Change one key of params.yaml, such as `datasets.mnist.limit`."""
        yaml, file = YAML(), self.root / "params.yaml"
        content = yaml.load(file.read_text())
        *parents, last = path.split(".")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
        yaml.dump(content, file)

    def shrink(self, limit: int, steps: int, systems: Sequence[str] = ()) -> None:
        """MNIST alone, small data, short trainings; only the named systems, if any are named."""
        yaml, file = YAML(), self.root / "params.yaml"
        content = yaml.load(file.read_text())
        content["datasets"] = {"mnist": content["datasets"]["mnist"]}
        content["datasets"]["mnist"].update(limit=limit, validation=limit // 12)
        content["metrics"].update(edits=200, bootstrap=20, adversarial_examples=50, permutations=19)
        content["metrics"].update(likelihood_examples=10, likelihood_samples=5, annealed_examples=2)
        content["metrics"].update(annealed_distributions=5)
        for key in list(content["experiments"]):
            experiment = content["experiments"][key]
            if experiment["data"] != "mnist" or (systems and experiment["system"] not in systems):
                del content["experiments"][key]
            else:
                content["experiments"][key]["settings"].update(steps=steps)
        yaml.dump(content, file)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, mnist_raw: Path) -> Workspace:
    """A fresh workspace for the module, on 3,000 images of MNIST and a few steps of each system."""
    made = Workspace(tmp_path_factory.mktemp("workspace"), mnist_raw)
    made.shrink(limit=3000, steps=6)
    made.commit()
    return made


@pytest.fixture
def command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `pipeline ARGUMENTS` in this process: exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pipeline", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run
