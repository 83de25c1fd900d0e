"""The language works with torch and numpy alone: what draws, reasons or orchestrates is imported when it is used."""

import subprocess
import sys

ALONE = """
import sys

LATE = {"discopy", "z3", "matplotlib", "scipy", "sklearn", "torchmetrics", "pandas", "pydantic", "rich", "typer", "mlflow",
        "prefect", "dvc"}


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LATE:
            raise ImportError(f"{name} must not be imported here")


sys.meta_path.insert(0, Blocker())
import torch
from pipeline.language import *
from pipeline.language import diagnose, interchange, notation, patterns, reason  # every room opens without them

S, V = Type("S", (4,)), Type("V", (2,), "categorical")
s, v = Dataset("x", {"s": S, "v": V}).bind(torch.rand(8, 4), torch.arange(8) % 2)
get = Learner("get", (S,), V, torch.nn.Linear(4, 2))
made = task(classify=equation(get(s), v, cross_entropy, trains=get))
(move,) = compile_task(made).moves
move.backward(move.losses(Draws(0, 0, 4)))
assert parse(str(made), using=made) == made
assert get.module.weight.grad.any()
notes = [found.text for found in diagnose.diagnose(made)]
assert any("z3" in note for note in notes), notes
"""


def test_the_language_imports_and_trains_with_torch_and_numpy_alone() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
