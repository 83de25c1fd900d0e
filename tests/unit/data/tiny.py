"""A data set of eight 2x3 images, and archives to fetch it from."""

import io
import tarfile
import zipfile
from dataclasses import dataclass

MODULE = '''
"""Eight tiny images."""
from pipeline.data import idx
from pipeline.data.base import DataSet, Source

def decode(folder):
    pair = idx.read_pair(folder, "images", "labels")
    return pair, pair

DATASET = DataSet(shape=(1, 2, 3), values=("no", "yes"), decode=decode, source=Source(**{source!r}))
'''


@dataclass(frozen=True)
class Tiny:
    """name: of the data set; files: the raw bytes; archive: the npm archive that the data set expects."""

    name: str
    files: dict[str, bytes]
    archive: bytes


def packed(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    """A gzipped tar of such members: contents, or ready-made entries without content."""
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w:gz") as tar:
        for name, content in members.items():
            entry = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            else:
                tar.addfile(entry)
    return text.getvalue()


def wheel(name: str, members: dict[str, bytes]) -> bytes:
    """A wheel of version 1.0.0 that pip takes, with such members."""
    folder = f"{name}-1.0.0.dist-info"
    about = {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n".encode(),
        f"{folder}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{folder}/RECORD": b"",
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in (members | about).items():
            archive.writestr(zipfile.ZipInfo(path), content)
    return made.getvalue()
