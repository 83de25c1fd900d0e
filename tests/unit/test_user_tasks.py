"""Tasks of a user's own: read from files, bound to data, given nets, put to use, and refused in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline import descriptions, systems, trials
from pipeline.errors import UserError
from pipeline.files import read_json
from pipeline.language import Dataset, Learner, Mixture, TaskError, Type, equation, mse, task
from pipeline.language.hints import hint
from pipeline.systems import own
from pipeline.systems.base import Inputs
from tests.conftest import REPOSITORY
from tests.shapes import draw_folder

INPUTS = Inputs((1, 8, 8), ("a", "b", "c"))
HEAD = """
import torch
from torch import nn
import pipeline.language as language
from pipeline.language import *

S, V = Type("S", (1, 8, 8)), Type("V", (3,), "categorical")
x = Dataset("x", {"s": S, "v": V})
s, v = x
get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
"""
FILE = (
    HEAD
    + """
settings = {"steps": 30, "batch_size": 8}
edit = language.task(
    classify=equation(get(s), v, cross_entropy, trains=get),
    getput=equation(put(s, get(s)), s, mse, trains=put, weight=20),
)

def task(inputs):
    get = Learner("get", (inputs.S,), inputs.V)
    s, v = inputs.x
    return language.task(classify=equation(get(noise(0.1)(s)), v, cross_entropy, trains=get))
"""
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the text of mine.py."""

    def written(text: str) -> Path:
        (tmp_path / "mine.py").write_text(text)
        return tmp_path / "mine.py"

    return written


# ------------------------------------------------------------------------------------------------------------ files


def test_a_file_names_tasks_and_functions_of_the_inputs(write: Callable[[str], Path]) -> None:
    path = write(FILE)
    default, fixed = own.find(str(path)), own.find(f"{path}:edit")
    assert default.settings == {"steps": 30, "batch_size": 8}
    for shape in ((1, 8, 8), (3, 4, 12)):
        inputs = Inputs(shape, ("yes", "no"))
        assert default.task(inputs).learners[0].dom == (inputs.S,)
        assert list(fixed.task(inputs).equations) == ["classify", "getput"]
    assert own.find("manipulator") is None


def test_a_file_of_the_visual_editor_follows_the_types_of_the_data() -> None:
    file = own.find(str(REPOSITORY / "tests/unit/language/editor/manipulation.json"))
    made = file.task(INPUTS)
    put = next(learner for learner in made.learners if learner.name == "put")
    assert [type.shape for type in (*put.dom, put.cod)] == [(1, 8, 8), (3,), (1, 8, 8)]
    assert any("giving S back unchanged may solve it" in line for line in file.warnings(INPUTS))


BROKEN = [
    ("x = (", ":1: '(' was never closed"),
    ("x = 1\ndef f(:", ":2: invalid syntax"),
    ("import nothing_of_that_name", ":1: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
    ("def f():\n    return {}['k']\nf()", ":2: KeyError: 'k'"),
    ("raise SystemExit(3)", ":1: SystemExit: 3"),
    ("settings = 3", ": settings: a dict"),
    (HEAD, "there is no task called task in it; a Task, or a function"),
    (HEAD + "mine = language.task(a=equation(get(s), v, cross_entropy, trains=get))", "there is mine.py:mine"),
    (HEAD + "task = [1]", ":task: this is of type list"),
    (HEAD + "task = get", ":task: this is of type Learner"),
    ("def task(): pass", ":task: a function of one argument, the inputs, is expected"),
    ("def task(inputs): return 3", ":task: what it returns is of type int; a Task is expected"),
    ("def task(inputs):\n    return inputs.T", ":2: AttributeError: 'Inputs' object has no attribute 'T'"),
    (HEAD + "put(v, s)", ":11: put: input 1 is a wire of type S(1x8x8) (real), but `v` has type V(3) (categorical)"),
    (HEAD + "get(get)", "a wire is expected here"),
    (HEAD + "get(x)", "s, v = x takes them apart"),
]


@pytest.mark.parametrize(("text", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_what_is_wrong_with_a_file_is_one_line_that_names_its_line(
    write: Callable[[str], Path], text: str, words: str
) -> None:
    path = write(text)
    with pytest.raises(UserError) as caught:
        own.find(str(path)).task(INPUTS)
    said = str(caught.value).replace(str(path), "mine.py")
    assert said.startswith("mine.py")
    assert words in said
    assert "\n" not in said


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "other.py").write_text("y = 1")
    (tmp_path / "needy.py").write_text("import other")
    (tmp_path / "broken.json").write_text("{")
    for name, words in (
        ("nowhere.py", "no such file"),
        ("folder.py", "is a folder"),
        ("bytes.py", "source code"),
        ("config.json", "call it otherwise"),
        ("needy.py", "stands alone"),
        ("broken.json:it", "leave `:it` out"),
    ):
        with pytest.raises(UserError, match=f"{name.partition(':')[0]}.*{words}"):
            own.find(str(tmp_path / name))
    with pytest.raises(UserError, match=r"broken\.json: the file is not JSON"):
        own.find(str(tmp_path / "broken.json")).task(INPUTS)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("f: input 1 is a wire of type Z(2) (real), but `q` has type Q(2) (gaussian)", "sample(...)"),
        ("f: input 2 is a wire of type V(10) (categorical), but `w` has type V(10) (real)", 'Type("V", (10,), "categ'),
        ("f: input 1 is a wire of type S(4) (real), but `x` has type X(4) (real)", "two names of one type"),
        ("f: input 1 is a wire of type S(1x2x2) (real), but `v` has type V(3) (categorical)", "order of the arguments"),
        ("both sides must have the same type, but `v` is V(3) (categorical) and `w` is V(3) (real)", "the kind categ"),
        ("both sides must have the same type, but `b` is B(3) (bernoulli) and `w` is V(3) (real)", "bernoulli_nll"),
        ("wires of kind categorical are expected, but `s` is S(4) (real) and `t` is S(4) (real)", "mse or l1"),
        ("wires of kind real are expected, but `v` is V(4) (categorical) and `w` is V(4) (categorical)", "cross_entr"),
        (
            "a gaussian wire on the left and a real one of the same shape on the right are expected, "
            "but `s` is S(4) (real) and `q` is S(4) (gaussian)",
            "swap the sides",
        ),
        ("sample: `s`: a wire of kind gaussian is expected, not S(4) (real)", 'Type("S", (4,), "gaussian")'),
    ],
)
def test_a_type_error_comes_with_what_may_mend_it(message: str, words: str) -> None:
    assert words in hint(message)


@pytest.mark.parametrize(
    "message",
    [
        "equation e trains nothing",
        "both sides must have the same type, but `v` is V(3) (categorical) and `s` is S(1x2x2) (real)",
        "sample: `v`: a wire of kind gaussian is expected, not V(3) (categorical)",
    ],
)
def test_no_hint_where_nothing_suggests_itself(message: str) -> None:
    assert hint(message) == ""


# ---------------------------------------------------------------------------------------------------------- binding


def bound_inputs() -> Inputs:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (20, 1, 8, 8), generator=generator).to(torch.uint8)
    return INPUTS.bound(images, torch.arange(20) % 3)


def test_all_sources_of_fitting_types_are_bound() -> None:
    X, W = Type("X", (1, 8, 8)), Type("W", (3,), "categorical")
    f = Learner("f", (X,), X)
    x, own_data = Dataset("x", {"w": W, "i": X}), Dataset("mine", {"j": X}).bind(torch.rand(5, 1, 8, 8))
    _, i = x
    _, again = x.again()
    mixed = Mixture("mixed", (Dataset("left", {"k": X}), own_data), (0.5, 0.5)).term
    made = task(
        a=equation(f(i), again, mse, trains=f),
        b=equation(f(own_data), own_data, mse, trains=f),
        c=equation(f(mixed), mixed, mse, trains=f),
    )
    inputs = bound_inputs()
    assert [source.name for source in inputs.columns_for(made)] == ["x", "x'", "left"]
    sources = {source.name: source for source in inputs.bind(made).sources}
    images, labels = inputs.x.table.columns
    for name in ("x", "x'"):
        assert sources[name].table.columns[0] is labels
        assert sources[name].table.columns[1] is images
    assert len(sources["mine"].table.columns[0]) == 5
    left, right = sources["mixed"].sources
    assert left.table.columns[0] is images
    assert len(right.table.columns[0]) == 5
    assert str(inputs.bind(made)) == str(made)


@pytest.mark.parametrize(
    ("types", "words"),
    [
        ({"s": Type("S", (1, 28, 28))}, ["wire s has type S(1x28x28) (real)", 'Type("S", (1, 8, 8))']),
        ({"v": Type("V", (10,), "categorical")}, ["wire v has type V(10) (categorical)", 'Type("V", (3,), "categ']),
        ({"v": Type("V", (3,))}, ["wire v has type V(3) (real)", '"categorical"']),
        ({"s": INPUTS.S, "t": INPUTS.S}, ["wire t", "x.again()"]),
    ],
)
def test_a_source_that_does_not_fit_is_named_with_what_the_data_have(types: dict[str, Type], words: list[str]) -> None:
    R = Type("Z", (2,))
    first, *_ = Dataset("x", types)
    f, g = Learner("f", (first.type,), R), Learner("g", (first.type,), R)
    rest = [Learner(f"h{n}", (wire.type,), R)(wire) for n, wire in enumerate(list(Dataset("x", types))[1:])]
    made = task(a=equation(f(first), rest[0] if rest else g(first), mse, trains=f))
    with pytest.raises(TaskError) as caught:
        bound_inputs().bind(made)
    for word in ("source x", *words):
        assert word in str(caught.value)


# ------------------------------------------------------------------------------------------------- nets and systems


def built(write: Callable[[str], Path], text: str, inputs: Inputs = INPUTS) -> systems.System:
    return own.build(own.read(write(HEAD + text)), own.Settings(), inputs)


MODULES = [
    ("nn.Linear(64, 3)", "its module cannot take such values"),
    ("nn.Sequential(nn.Flatten(), nn.Linear(64, 4))", "its module gives (3, 4), (3, 3) is expected"),
    ("nn.Identity()", "its module gives (3, 1, 8, 8), (3, 3) is expected"),
]


@pytest.mark.parametrize(("module", "words"), MODULES)
def test_a_net_that_does_not_fit_its_type_is_named(write: Callable[[str], Path], module: str, words: str) -> None:
    text = f"get = Learner('get', (S,), V, {module})\n"
    text += "task = language.task(a=equation(get(s), v, cross_entropy, trains=get))"
    with pytest.raises(UserError, match=r"mine\.py: learner get : S\(1x8x8\) \(real\) -> V\(3\)") as caught:
        built(write, text)
    assert words in str(caught.value)


def test_what_fails_in_a_net_names_the_line(write: Callable[[str], Path]) -> None:
    text = "class Net(nn.Module):\n    def forward(self, x):\n        raise KeyError('gone')\n"
    text += "get = Learner('get', (S,), V, Net())\n"
    text += "task = language.task(a=equation(get(s), v, cross_entropy, trains=get))"
    with pytest.raises(UserError, match=r"mine\.py:13: KeyError: 'gone'"):
        built(write, text)


def test_an_equation_may_not_be_called_as_the_column_of_steps(write: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match="equation step"):
        built(write, "task = language.task(step=equation(get(s), v, cross_entropy, trains=get))")


USES = {
    "get = Learner('get', (S,), V)\ntask = language.task(a=equation(get(noise(0.1)(s)), v, cross_entropy, trains=get))": {
        "classify"
    },
    "F = Type('F', (6,))\nget = Composite('get', Learner('features', (S,), F), Learner('head', (F,), V))\n"
    "task = language.task(a=equation(get(s), v, cross_entropy, trains=get))": {"classify", "features"},
    "task = language.task(a=equation(put(s, v), s, mse, trains=put))": {"edit"},
    "task = language.task(a=equation(get(put(s, v)), v, cross_entropy, trains=put))": {"edit"},
    "Z = Type('Z', (2,))\nz, gen = Normal('z', Z), Learner('gen', (Z, V), S)\n"
    "task = language.task(a=equation(gen(z, v), s, mmd, trains=gen))": {"sample"},
    "Z = Type('Z', (2,))\nz, gen = Normal('z', Z), Learner('gen', (Z,), S)\n"
    "task = language.task(a=equation(gen(z), s, mmd, trains=gen))": {"sample"},
    "Z = Type('Z', (2,))\nenc, dec = Learner('enc', (S,), Z), Learner('dec', (Z,), S)\n"
    "task = language.task(a=equation(dec(enc(s)), s, mse, trains=(enc, dec)))": {"features"},
    "f = Learner('f', (S,), S)\ntask = language.task(a=equation(f(s), s, mse, trains=f))": set(),
}


@pytest.mark.parametrize(("text", "uses"), USES.items(), ids=[" ".join(sorted(uses)) for uses in USES.values()])
def test_uses_are_told_from_types(write: Callable[[str], Path], text: str, uses: set[str]) -> None:
    config = {"shape": [1, 8, 8], "values": list(INPUTS.values), "system": "mine"}
    model = systems.model(config, built(write, text))
    known = {"classify": model.classify, "edit": model.edit, "sample": model.sample, "features": model.features}
    assert {name for name, use in known.items() if use} == uses
    images, values = torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 0])
    if model.classify:
        assert torch.allclose(model.classify(images).sum(1), torch.ones(4))
    if model.edit:
        assert model.edit(images, values).shape == images.shape
    if model.sample:
        assert torch.equal(model.sample(values, 1), model.sample(values, 1))
        assert model.sample(values, 1).shape == images.shape
    if model.features:
        assert model.features(images).shape[0] == 4


TIED = """
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(64, 64)
        self.two = self.one

    def forward(self, x):
        return self.two(self.one(x.flatten(1))).view(x.shape)


tied = Learner("tied/../f'", (S,), S, Tied())
bare = Learner("bare", (S,), S)
task = language.task(a=equation(bare(tied(s)), s, mse, trains=(tied, bare)))
"""


def test_a_model_made_from_a_file_is_loaded_with_the_file(write: Callable[[str], Path], tmp_path: Path) -> None:
    path, folder = write(HEAD + TIED), tmp_path / "models" / "mine"
    config = {
        "system": "mine",
        "file": "mine.py",
        "task": "task",
        "shape": [1, 8, 8],
        "values": list(INPUTS.values),
        "seed": 5,
        "settings": {"steps": 3},
        "given": None,
    }
    system, again = (systems.build(config, folder=path.parent) for _ in range(2))
    assert torch.equal(weights(system), weights(again)), "all weights are functions of the seed"
    folder.mkdir(parents=True)
    with torch.no_grad():
        for parameter in system.boxes["bare"].parameters:
            parameter.add_(1)
    systems.save(folder, config, system)
    path.rename(folder / "mine.py")
    assert {file.suffix for file in folder.iterdir()} == {".py", ".json", ".safetensors"}
    assert not list(tmp_path.glob("models/*.safetensors"))
    assert torch.equal(weights(systems.load(folder).system), weights(system))
    (folder / "mine.py").write_text("1 / 0")
    with pytest.raises(UserError, match=r"config\.json: .*mine\.py:1: ZeroDivisionError"):
        systems.load(folder)


def weights(system: systems.System) -> torch.Tensor:
    return nn.utils.parameters_to_vector(p for learner in system.kept for p in learner.parameters)


# --------------------------------------------------------------------------------------------------------- commands


def test_check_prints_equations_and_who_gets_a_net_and_draws(write: Callable[[str], Path], tmp_path: Path) -> None:
    path = write(FILE)
    said = descriptions.check(f"{path}:edit", tmp_path / "edit.svg")
    assert "getput   : put(s, get(s)) == s   [mse x 20; trains put]" in said
    assert "learner put: no net of its own" in said
    assert (tmp_path / "edit.svg").read_text().startswith("<svg")
    assert "warning: getput: all equations can hold while put ignores its input 2 (V)" in said
    paired = "task = language.task(putget=equation(get(put(s, v)), v, cross_entropy, trains=(get, put)))"
    assert "warning: putget: `put(s, v)` may be a copy of `s`" in descriptions.check(str(write(HEAD + paired)), None)
    write(FILE)
    assert descriptions.describe(str(path), None).startswith("classify : get(noise[0.1](s)) == v")
    with pytest.raises(UserError, match=r"manipulator: FILE\.py:TASK"):
        descriptions.check("manipulator", None)
    with pytest.raises(UserError, match=r"mine\.py: settings\.stpes: unknown key"):
        descriptions.check(str(write(FILE.replace('"steps"', '"stpes"'))), None)


def test_the_file_in_the_documentation_is_complete(write: Callable[[str], Path]) -> None:
    page = (REPOSITORY / "docs" / "user_tasks.md").read_text()
    said = descriptions.check(str(write(page.split("```python\n")[1].split("```")[0])), None)
    assert "recon : dec(enc(s)) == s" in said
    assert "learner dec: no net of its own" in said
    assert "learner read" not in said


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's root with a folder of shapes; no tracking server can be reached."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text())
    draw_folder(tmp_path / "shapes", 10, size=8)
    return tmp_path


def test_a_training_needs_no_server_and_what_is_set_wins(
    workspace: Path, write: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write(FILE)
    folder = trials.train("mine.py:edit", "shapes", None, ["steps=4", "ema=0"], Path())
    said = capsys.readouterr()
    assert "not registered with MLflow" in said.err
    assert "source x: s from the images, v from the labels" in said.out
    assert "learner put: a default net" in said.out
    assert folder == Path("runs/models/shapes-edit")
    settings = read_json(folder / "config.json")["settings"]
    assert (settings["steps"], settings["batch_size"], settings["ema"]) == (4, 8, 0)
    assert (folder / "mine.py").read_text() == FILE
    assert len((folder / "curves.csv").read_text().splitlines()) == 5
    results = read_json(folder / "metrics.json")
    total = results["validation_loss/classify"] + 20 * results["validation_loss/getput"]
    assert results["validation_loss"] == pytest.approx(total)
    assert results["champion"] == "validation_loss"
    assert (folder / "equations.txt").read_text().startswith("classify : get(s) == v")
    assert (folder / "equations.svg").exists()
    assert not Path("checkpoints").exists()
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    trials.train("mine.py:edit", "shapes", None, ["steps=4", "ema=0"], Path())
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


LATE = """
class Late(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls, self.scale = 0, nn.Parameter(torch.ones(()))

    def forward(self, x):
        self.calls += 1
        if self.calls > 3:
            raise RuntimeError("too late")
        return x * self.scale


late = Learner("late", (S,), S, Late())
task = language.task(a=equation(late(s), s, mse, trains=late))
"""


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (FILE, ("mine.py", "nowhere", None, []), ["--data nowhere", "folder of images", "mnist"]),
        (FILE, ("mine.py", "mnist", Path("x.csv"), []), ["--labels x.csv", "mnist"]),
        (FILE, ("mine.py", "shapes", None, ["batch_size=500"]), ["24 images", "batch_size=24"]),
        (FILE, ("mine.py", "shapes", None, ["stpes=5"]), ["--set.stpes", "unknown key"]),
        (FILE, ("mine.py", "shapes", None, ["steps"]), ["--set steps", "KEY=VALUE"]),
        (FILE.replace("8, 8", "9, 9"), ("mine.py:edit", "shapes", None, []), ["S(1x9x9)", "(1, 8, 8)"]),
        (FILE.replace("edit =", "manipulator ="), ("mine.py:manipulator", "shapes", None, []), ["published system"]),
        (FILE, ("nobody", "shapes", None, []), ["nobody", "manipulator", "FILE.py:TASK"]),
        (FILE, ("manipulator", "shapes", None, ["batch_size=8"]), ["classifier", "`pipeline train classifier --data"]),
        (HEAD + LATE, ("mine.py", "shapes", None, ["batch_size=8"]), ["mine.py:20: RuntimeError: too late"]),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    workspace: Path, write: Callable[[str], Path], text: str, arguments: tuple, words: list[str]
) -> None:
    write(text)
    with pytest.raises(UserError) as caught:
        trials.train(*arguments, Path())
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("runs/models").exists()


def test_published_systems_are_trained_on_folders_too(workspace: Path) -> None:
    small = ["steps=2", "batch_size=8"]
    trials.train("classifier", "shapes", None, small, Path())
    folder = trials.train("manipulator", "shapes", None, small, Path())
    assert read_json(folder / "config.json")["given"]["system"] == "classifier"
    assert read_json(folder / "metrics.json")["champion"] == "validation_loss"
    model = systems.load(folder)
    assert model.edit(torch.rand(2, 1, 8, 8), torch.tensor([0, 2])).shape == (2, 1, 8, 8)
