"""A data set made of a renderer: which factor its labels tell, and a table of factors in place of raw files."""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from pipeline.data.renderers.scene import Renderer
from pipeline.errors import UserError
from pipeline.files import read_json, whole_folder, write_json

TABLES, ABOUT = "factors.safetensors", "factors.json"
PARTS = ("training", "test")
SEED = 0

Columns = tuple[Tensor, Tensor, Tensor]  # images (n, 3, size, size) uint8, labels (n,) int64, factors (n, k) int64


@dataclass(frozen=True)
class Rendering:
    """factor: the one that the labels tell; labels: the label of each of its values; training, test: how many
    examples; no picture is in both."""

    renderer: Renderer
    factor: str
    labels: tuple[int, ...]
    training: int = 20_000
    test: int = 5_000

    def label(self, rows: Tensor) -> Tensor:
        """The labels (n,) int64 of rows of factors (n, k)."""
        return torch.tensor(self.labels)[rows[:, self.renderer.column(self.factor)]]

    def examples(self, rows: Tensor, size: int) -> Columns:
        """The images, labels and factors of rows. Raises UserError as `Renderer.render` does."""
        return self.renderer.render(rows, size), self.label(rows), rows

    def write(self, folder: Path) -> None:
        """Draw the factors of all examples and write them into `folder`, which then is whole."""
        rows = self.renderer.sample(self.training + self.test, SEED)
        tables = dict(zip(PARTS, rows.split((self.training, self.test)), strict=True))
        with whole_folder(folder) as place:
            # What shares its memory with more rows would not be written.
            (place / TABLES).write_bytes(save({part: table.clone() for part, table in tables.items()}))
            write_json(place / ABOUT, self.renderer.described)

    def read(self, folder: Path) -> tuple[Tensor, Tensor]:
        """The factors (n, k) int64 of the training and the test examples.

        Raises UserError that names the file if it is missing, damaged, or of other factors than the renderer's.
        """
        about, path = folder / ABOUT, folder / TABLES
        try:
            if read_json(about) != self.renderer.described:
                raise UserError(f"{about}: other factors than {self.renderer.name} has; fetch the data set again")
            tables = load(path.read_bytes())
            training, test = (tables[part] for part in PARTS)
        except FileNotFoundError as error:
            raise UserError(f"{error.filename}: no such file; run `dvc repro` to make it") from None
        except (SafetensorError, KeyError, ValueError) as error:
            raise UserError(f"{folder}: damaged: {error}") from None
        for rows in (training, test):
            try:
                self.renderer.check(rows)
            except UserError as error:
                raise UserError(f"{path}: damaged: {error}") from None
        return training, test

    def decode(self, folder: Path, size: int) -> tuple[Columns, Columns]:
        """The training and test examples of a folder that `write` made."""
        training, test = (self.examples(rows, size) for rows in self.read(folder))
        return training, test
