"""Classifiers from outside: taken from a file or the registry, refused in one line, and loaded from their copy."""

from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline import classifiers, data, params, systems
from pipeline.errors import UserError
from pipeline.systems import own
from pipeline.systems.base import Inputs
from tests.conftest import REPOSITORY
from tests.shapes import NAMES, draw_folder

INPUTS = Inputs((1, 16, 16), NAMES)
HEAD = "import torch\nfrom pathlib import Path\nfrom torch import nn\n"
NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 5, 2), nn.BatchNorm2d(8), nn.GELU(), nn.Dropout(0.5), nn.Flatten())
        self.head = nn.Linear(8 * 36, 3)

    def forward(self, images):
        return self.head(self.body(images))

def trained():
    net = Net()
    if Path("net.pt").exists():
        net.load_state_dict(torch.load("net.pt", weights_only=True))
    return net
"""


def file(folder: Path, text: str) -> Path:
    path = folder / "mine.py"
    path.write_text(HEAD + text)
    return path


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    draw_folder(tmp_path / "shapes", 10)
    data.prepare_folder(tmp_path / "shapes", None, 0, tmp_path / "prepared")
    return tmp_path / "prepared"


@pytest.mark.parametrize(
    ("text", "name", "scores"),
    [
        (NET, "trained", "logits"),
        (NET, "Net", "logits"),
        (NET + "net = Net()", "net", "logits"),
        (NET + "net = nn.Sequential(Net(), nn.Softmax(1))", "net", "probabilities"),
        ("weight = torch.rand(256, 3)\ndef read(images): return images.flatten(1) @ weight", "read", "logits"),
        ("def made(): return lambda images: images.flatten(1)[:, :3].softmax(1)", "made", "probabilities"),
    ],
)
def test_a_module_a_function_and_a_maker_of_either_will_do(
    tmp_path: Path, text: str, name: str, scores: own.classifier.Scores
) -> None:
    path = file(tmp_path, text)
    assert own.classifier.scores_of(path, name, INPUTS) == scores
    system = own.classifier.build(path, name, INPUTS, scores)
    torch.testing.assert_close(system.classify(torch.rand(4, 1, 16, 16)).sum(1), torch.ones(4))
    assert system.parameters == 0


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("", "net", r"mine\.py: there is nothing called net in it; a torch module"),
        ("net = 3", "net", r"mine\.py:net: this is of type int; a torch module"),
        ("def net(): return 3", "net", "what it returns is of type int"),
        ("net = nn.Linear(4, 3)", "net", r"cannot take images \(3, 1, 16, 16\): "),
        ("net = nn.Sequential(nn.Flatten(), nn.Linear(256, 5))", "net", r"gives \(3, 5\) for 3 images, \(3, 3\) is expected"),
        ("def net(images): return images.flatten(1)[:, :3].detach()", "net", "no gradient reaches the images"),
        ("def net(images): return images.flatten(1)[:, :3].round()", "net", "no gradient reaches the images"),
        ("def net(images): return images.flatten(1)[:, :3] / 0", "net", "what it gives is not finite"),
        ("def net(images):\n    return 1 / 0", "net", r"mine\.py:5: ZeroDivisionError"),
        ("import elsewhere", "net", r"mine\.py:4: ModuleNotFoundError"),
    ],
)  # fmt: skip
def test_what_is_no_classifier_is_refused_by_its_name(tmp_path: Path, text: str, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        own.classifier.scores_of(file(tmp_path, text), name, INPUTS)


def test_it_stays_in_evaluation_mode_and_lets_gradients_through(tmp_path: Path) -> None:
    get = own.classifier.build(file(tmp_path, NET), "trained", INPUTS, "logits").boxes["get"]
    get.module.train()
    images = torch.rand(8, 1, 16, 16, requires_grad=True)
    first, again = get.apply(images), get.apply(images)
    assert torch.equal(first, again), "dropout or batch statistics are at work"
    assert torch.autograd.grad(first.sum(), images)[0].abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in get.module.parameters())


def test_its_weights_are_kept_and_its_file_needs_nothing_else(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = file(tmp_path, NET)
    net = nn.Module.__call__(own.classifier.read(path, "trained"), torch.rand(2, 1, 16, 16))
    assert net.shape == (2, 3)
    torch.manual_seed(1)
    weights = own.classifier.read(path, "Net").state_dict()
    torch.save(weights, "net.pt")
    folder = classifiers.adopted("mine.py:trained", prepared, params.load(REPOSITORY / "params.yaml"), Path())
    Path("net.pt").unlink()
    path.unlink()
    loaded = systems.load(folder).system.boxes["get"].module.inner.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in weights.items())
    said = capsys.readouterr().out
    assert "mine.py:trained gives logits; its outputs are taken to be 0: bar, 1: box, 2: dot" in said
    assert "% of 6 validation images right" in said


LOGITS = "def read(images): return 9 * (images.flatten(1)[:, 128:138:4] - 0.5)\n"
SIGMOIDS = "def read(images): return (9 * (images.flatten(1)[:, 128:138:4] - 0.5)).sigmoid()\n"


@pytest.mark.parametrize(
    ("text", "warned"), [(LOGITS, False), (SIGMOIDS, True), (SIGMOIDS.replace("9 *", "999 *"), True)]
)
def test_one_that_gives_sigmoids_is_warned_of(
    tmp_path: Path,
    prepared: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    warned: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    file(tmp_path, text)
    classifiers.adopted("mine.py:read", prepared, params.load(REPOSITORY / "params.yaml"), Path())
    assert ("too little for an editor to learn from; if its outputs are sigmoids" in capsys.readouterr().out) == warned


def test_one_that_cannot_be_loaded_without_its_weights_is_refused_at_once(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file(tmp_path, NET.replace('    if Path("net.pt").exists():\n        net', "    net"))
    torch.save(own.classifier.read(file(tmp_path, NET), "Net").state_dict(), "net.pt")
    file(tmp_path, NET.replace('    if Path("net.pt").exists():\n        net', "    net"))
    with pytest.raises(UserError, match=r"FileNotFoundError.*the model keeps the weights itself: read it only if"):
        classifiers.adopted("mine.py:trained", prepared, params.load(REPOSITORY / "params.yaml"), Path())


FUNCTION = NET + "net = trained()\n{}def read(images): return net(images)\n"
ALONE = "def read(images): return images.flatten(1)[:, :3] - images.mean() * torch.arange(3)\n"
DOUBLE = NET + "class Wide(Net):\n    def forward(self, images): return super().forward(images).double()\n"
FRAGILE = "def read(images):\n    assert len(images) < 4, 'too many'\n    return images.flatten(1)[:, :3]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FUNCTION.format("net.eval()\n"), r"mine\.py:read: made from its copy elsewhere it answers otherwise"),
        (FUNCTION.format(""), r"mine\.py:read: what it says of an image changes .* `\.eval\(\)`"),
        (ALONE, "with the others in the batch"),
        (FRAGILE, r"mine\.py:\d+: AssertionError: too many"),
    ],
)
def test_one_whose_answers_cannot_be_had_again_is_refused(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(own.classifier.read(file(tmp_path, NET), "Net").state_dict(), "net.pt")
    file(tmp_path, text)
    with pytest.raises(UserError, match=said):
        classifiers.adopted("mine.py:read", prepared, params.load(REPOSITORY / "params.yaml"), Path())


def test_one_that_computes_in_double_precision_gives_what_the_others_do(tmp_path: Path) -> None:
    system = own.classifier.build(file(tmp_path, DOUBLE), "Wide", INPUTS, "logits")
    assert system.boxes["get"].apply(torch.rand(2, 1, 16, 16)).dtype == torch.float32


@pytest.mark.parametrize("text", ["mine.py", "models:/", "net", "mine.txt:net"])
def test_other_names_are_refused(prepared: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"models:/NAME@ALIAS or FILE\.py:CALLABLE expected"):
        classifiers.adopted(text, prepared, params.load(REPOSITORY / "params.yaml"), tmp_path)
