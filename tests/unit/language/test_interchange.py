import copy
import json
import re
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from pipeline import cli, systems
from pipeline.language import (
    Composite,
    Dataset,
    Divergence,
    Draws,
    Fixed,
    Learner,
    Normal,
    R,
    Task,
    TaskError,
    Type,
    Uniform,
    bernoulli_nll,
    constant,
    cross_entropy,
    equation,
    evaluate,
    kl,
    l1,
    mmd,
    mse,
    noise,
    pair,
    parse,
    product,
    sample,
    standard_normal,
    task,
)
from pipeline.language.interchange import lost, read, script, text, write
from pipeline.language.wiring import diagram, wiring

FILES = Path(__file__).parent / "editor"

S, V, Z = Type("S", (1, 28, 28)), Type("V", (10,), "categorical"), Type("Z", (64,))
x, a, z = Dataset("x", {"s": S, "v": V}), Uniform("a", V), Normal("z", Z)
s, v = x
get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
enc, dec = Learner("enc", (S,), Z), Learner("dec", (Z,), S)
gen, dsc = Learner("gen", (Z,), S), Learner("dsc", (S,), R)

# With the label of the image as the value to write, as in the editor's own example.
manipulation = task(
    classify=equation(get(s), v, cross_entropy, trains=get),
    putget=equation(get(put(s, v)), v, cross_entropy, trains=(get, put)),
    getput=equation(put(s, get(s)), s, mse, trains=(put, get)),
    undo=equation(put(put(s, v), get(s)), s, mse, trains=(put, get)),
)
autoencoder = task(recon=equation(dec(enc(s)), s, mse, trains=(dec, enc)))
gan = task(
    real=equation(dsc(s), constant(1), mse, trains=dsc),
    fake=equation(dsc(gen(z)), constant(0), mse, trains=(dsc, gen)),
    fool=equation(dsc(gen(z)), constant(1), mse, trains=(dsc, gen)),
)
TASKS = {"manipulation": manipulation, "autoencoder": autoencoder, "gan": gan}


def file(name: str) -> dict:
    return json.loads((FILES / f"{name}.json").read_text())


def equations(task: Task) -> list[str]:
    """The lines of equations, with single spaces."""
    return [re.sub(" +", " ", line) for line in str(task).partition("\nwhere")[0].splitlines()]


def items(document: dict, key: str) -> list[dict]:
    return next(each["items"] for each in document["sections"] if each["key"] == key)


def item(document: dict, key: str, label: str) -> dict:
    return next(each for each in items(document, key) if each["label"] == label)


class Sketch:
    """A file by hand, as somebody draws it in the editor."""

    def __init__(self, *wires: str) -> None:
        self.wires = [{"type": f"w{label}", "label": label, "color": "#123456"} for label in wires]
        self.boxes: list[dict] = []
        self.diagrams: list[dict] = []
        self.equations: list[dict] = []

    def box(self, kind: str, label: str, inputs: str = "", outputs: str = "", id: str = "") -> "Sketch":
        ins, outs = ([f"w{each}" for each in side.split()] for side in (inputs, outputs))
        item = {"type": f"b{id or label}", "label": label, "color": "#abcdef", "kind": kind}
        self.boxes.append({**item, "inputs": ins, "outputs": outs})
        return self

    def diagram(self, label: str, nodes: str, edges: str) -> "Sketch":
        """nodes: `id=box`, from above; edges: `id.output>id.input`."""
        made = []
        for height, each in enumerate(nodes.split()):
            id, _, box = each.partition("=")
            place = {"x": 0, "y": 10 * height}
            made.append({"id": id, "type": "custom", "position": place, "data": {"type": f"b{box or id}"}})
        wires = []
        for each in edges.split():
            (source, output), (target, slot) = (end.split(".") for end in each.split(">"))
            ends = {"source": source, "sourceHandle": f"out-{output}", "target": target, "targetHandle": f"in-{slot}"}
            wires.append({"id": each, **ends, "style": {"stroke": "#123456", "strokeWidth": 3}})
        self.diagrams.append({"type": f"d{label}", "label": label, "opened": False, "nodes": made, "edges": wires})
        return self

    def equation(self, label: str, lhs: str, rhs: str) -> "Sketch":
        self.equations.append({"type": f"e{label}", "label": label, "lhs-type": f"d{lhs}", "rhs-type": f"d{rhs}"})
        return self

    @property
    def document(self) -> dict:
        parts = {"diagrams": self.diagrams, "wires": self.wires, "boxes": self.boxes, "equations": self.equations}
        sections = [{"title": key.title(), "key": key, "items": copy.deepcopy(part)} for key, part in parts.items()]
        return {"sections": sections, "nodes": [], "edges": []}


def sketch(lhs: tuple[str, str], rhs: tuple[str, str]) -> dict:
    """One equation between two diagrams, given by nodes and edges, over the boxes below."""
    made = (
        Sketch("A", "B")
        .box("data", "x", "", "A B")
        .box("data", "n", "", "A")
        .box("learner", "f", "A", "A")
        .box("learner", "g", "A A", "A")
        .box("learner", "get", "A", "B")
        .box("learner", "split", "A", "A B")
        .box("fixed", "blur", "A", "A")
        .box("fixed", "+", "A A", "A", id="plus")
        .box("fixed", "× 0.5", "A", "A", id="half")
        .box("fixed", "noise[0.1]", "A", "A", id="noise")
        .box("fixed", "1", "", "A", id="one")
        .box("fixed", "2", "", "B", id="two")
        .box("output", "out", "A")
        .box("output", "label", "B")
        .box("output", "both", "A B")
    )
    return made.diagram("lhs", *lhs).diagram("rhs", *rhs).equation("e", "lhs", "rhs").document


# ----------------------------------------------------------------------------------------------------------- reading


def test_the_manipulation_of_the_editor_is_read():
    found = read(file("manipulation"))
    assert equations(found.task) == [
        "classify : get(s1) == v1 [cross_entropy; trains get] s1, v1 ~ x.classify",
        "putget : get(put(s2, v2)) == v2 [cross_entropy; trains put, get] s2, v2 ~ x.putget",
        "getput : put(s3, get(s3)) == s3 [mse; trains get, put] s3 ~ x.getput",
        "undo : put(put(s4, v4), get(s4)) == s4 [mse; trains put, get] s4, v4 ~ x.undo",
    ]
    assert {learner.name: (learner.dom, learner.cod) for learner in found.task.learners} == {
        "get": ((S,), V),
        "put": ((S, V), S),
    }


def test_a_value_written_from_the_draw_of_its_image_is_kept_and_warned_of():
    found = read(file("manipulation"))
    assert [line.partition(" (")[0] for line in found.warnings] == ["equation putget", "equation undo"]
    assert "giving S back unchanged may solve it, unless V comes from a data box of its own" in found.warnings[0]
    independent = task(putget=equation(get(put(s, a)), a, cross_entropy, trains=(get, put)))
    assert read(write(independent)).warnings == ()


def test_a_gan_is_read_with_its_constants_and_its_noise():
    assert equations(read(file("gan")).task) == [
        "real : dsc(s1) == 1 [mse; trains dsc] s1 ~ x.real",
        "fake : dsc(gen(z.fake)) == 0 [mse; trains gen, dsc] z.fake ~ z.fake",
        "fool : dsc(gen(z.fool)) == 1 [mse; trains gen, dsc] z.fool ~ z.fool",
    ]


def test_each_equation_has_its_own_draws_and_both_sides_share_them():
    found = read(file("manipulation")).task
    assert len(found.sources) == 4
    for each in found.equations.values():
        assert each.rhs in set(each.lhs.walk()) or each.rhs.op.source in each.sources
        assert len(each.sources) == 1


def test_a_box_is_one_learner_in_all_diagrams_however_it_is_labelled():
    document = file("manipulation")
    document["sections"][2]["items"].append({**item(document, "boxes", "get"), "type": "another"})
    reading = next(each for each in items(document, "diagrams") if each["label"] == "get(s)")
    reading["nodes"][1]["data"]["type"] = "another"
    found = read(document)
    assert [learner.name for learner in found.task.learners] == ["get_2", "put", "get"]
    assert any("another box has this label; in the task this one is get_2" in line for line in found.warnings)


def test_several_outputs_are_an_equation_each_on_the_same_draw():
    document = sketch(
        ("x split out label", "x.0>split.0 split.0>out.0 split.1>label.0"), ("x out label", "x.0>out.0 x.1>label.0")
    )
    found = read(document).task
    assert equations(found) == [
        "e.out : split(a)[0] == a [mse; trains split] a ~ x.e",
        "e.label : split(a)[1] == b [cross_entropy; trains split] a, b ~ x.e",
    ]
    assert len(found.sources) == 1


def test_an_output_box_of_two_wires_is_two_equations():
    document = sketch(
        ("x f get both", "x.0>f.0 x.0>get.0 f.0>both.0 get.0>both.1"), ("x both", "x.0>both.0 x.1>both.1")
    )
    assert equations(read(document).task) == [
        "e.both.1 : f(a) == a [mse; trains f] a ~ x.e",
        "e.both.2 : get(a) == b [cross_entropy; trains get] a, b ~ x.e",
    ]


def test_a_learner_with_two_outputs_gives_their_values():
    document = sketch(
        ("x split out label", "x.0>split.0 split.0>out.0 split.1>label.0"), ("x out label", "x.0>out.0 x.1>label.0")
    )
    A, B = Type("A", (2,)), Type("B", (3,), "categorical")

    class Split(nn.Module):
        def forward(self, value):
            return value * 2, value.new_ones(len(value), 3)

    found = read(document, dimensions={"A": (2,), "B": (3,)}).task
    (split,) = found.learners
    table = Dataset("x.e", {"a": A, "b": B}).bind(torch.rand(4, 2), torch.tensor([0, 1, 2, 0]))
    bound = found.with_sources({found.sources[0]: table})
    bound = bound.with_learners({split: Learner("split", (A,), product(A, B), Split())})
    draws = Draws(seed=0, step=0, batch=4)
    image, label = (bound.equations[name] for name in ("e.out", "e.label"))
    assert torch.equal(evaluate(image.lhs, draws), 2 * evaluate(image.rhs, draws))
    assert torch.allclose(evaluate(label.lhs, draws).exp(), torch.full((4, 3), 1 / 3))


def test_two_nodes_of_a_data_box_are_two_draws_matched_by_height():
    # The right side has them the other way round in the file, and only height says which is which.
    document = sketch(("n1=n n2=n g out", "n1.0>g.0 n2.0>g.1 g.0>out.0"), ("m1=n m2=n f out", "m2.0>f.0 f.0>out.0 "))
    assert equations(read(document, sources={"n": "dataset"}).task) == [
        "e : g(n_a, n_a') == f(n_a') [mse; trains g, f] n_a ~ n.e; n_a' ~ n.e'"
    ]
    rhs = item(document, "diagrams", "rhs")
    rhs["nodes"].reverse()
    noise = read(document, sources={"n": "normal"}).task
    assert equations(noise) == ["e : g(n.e, n.e') == f(n.e') [mse; trains g, f] n.e ~ n.e; n.e' ~ n.e'"]
    for node in rhs["nodes"]:
        node["position"]["y"] *= -1
    found = read(document)
    assert equations(found.task)[0].startswith("e : g(n_a, n_a') == f(n_a) ")
    assert any("there 2 and 2 times" in line and "told by their height" in line for line in found.warnings)


def test_what_nothing_uses_is_deleted_and_what_is_used_twice_is_copied():
    document = sketch(("x f n get g out", "x.0>f.0 n.0>get.0 f.0>g.0 f.0>g.1 g.0>out.0"), ("x out", "x.0>out.0"))
    assert equations(read(document).task) == ["e : g(f(a), f(a)) == a [mse; trains f, g] a ~ x.e"]


def test_fixed_boxes_are_given_unless_their_labels_say_what_they_do():
    edges = "x.0>f.0 f.0>blur.0 x.0>half.0 blur.0>plus.0 half.0>plus.1 plus.0>noise.0 noise.0>more.0 one.0>more.1"
    document = sketch(("x f blur plus half noise one more=plus out", f"{edges} more.0>out.0"), ("x out", "x.0>out.0"))
    found = read(document)
    assert equations(found.task) == ["e : noise[0.1]((blur(f(a)) + 0.5 * a)) + 1 == a [mse; trains f] a ~ x.e"]
    assert [line for line in found.warnings if "box" in line] == [
        "box blur (bblur): the file does not say what it computes; it is a learner that no equation trains"
    ]


def test_a_number_on_a_one_hot_wire_is_a_class():
    document = sketch(("x get label", "x.0>get.0 get.0>label.0"), ("two label", "two.0>label.0"))
    found = read(document).task.equations["e"]
    assert found.rhs is constant(2, Type("B", (10,), "categorical"))
    with pytest.raises(TaskError, match=r"^box 2 \(btwo\): constant 2: B\(2\) \(categorical\) has the classes 0\.\.1$"):
        read(document, dimensions={"B": (2,)})


def test_cross_entropy_against_what_is_not_drawn_is_kl():
    document = sketch(("x f get label", "x.0>f.0 f.0>get.0 get.0>label.0"), ("x get label", "x.0>get.0 get.0>label.0"))
    found = read(document)
    assert found.task.equations["e"].divergence is kl
    assert found.warnings == (
        "equation e: compared by kl, since cross-entropy is no divergence against what is not data",
    )


def test_what_the_file_does_not_say_can_be_told():
    found = read(
        file("manipulation"),
        dimensions={"S": (3, 8, 8), "V": (4,)},
        divergences={"getput": l1},
        trains={"putget": ["put"], "undo": ["put"]},
        weights={"undo": 20},
    ).task
    get = Learner("get", (Type("S", (3, 8, 8)),), Type("V", (4,), "categorical"))
    assert get in found.learners
    assert [str(each).partition("[")[2].partition("]")[0] for each in found.equations.values()] == [
        "cross_entropy; trains get",
        "cross_entropy; trains put",
        "l1; trains get, put",
        "mse x 20; trains put",
    ]


def test_types_and_sources_by_default_and_as_told():
    document = sketch(("n f out", "n.0>f.0 f.0>out.0"), ("n out", "n.0>out.0"))
    a_type = {"image": Type("A", (1, 28, 28)), "vector": Type("A", (64,)), "class": Type("A", (10,), "categorical")}
    assert read(document).task.sources == (Dataset("n.e", {"n_a": a_type["image"]}),)
    items(document, "boxes")[0]["outputs"] = ["wA"]  # no labelled data any more
    found = read(document)
    assert found.task.sources == (Normal("n.e", a_type["vector"]),)
    assert found.warnings == ("without labelled data (a box with two outputs), these draw noise: box n (bn)",)
    assert read(document, categorical=["A"]).task.sources == (Uniform("n.e", a_type["class"]),)
    assert read(document, dimensions={"A": (3, 4, 4)}).task.sources == (Dataset("n.e", {"n_a": Type("A", (3, 4, 4))}),)
    assert read(document, sources={"n": "uniform"}).task.sources == (Uniform("n.e", a_type["vector"]),)


def test_a_joint_box_may_draw_noise_on_each_wire():
    document = sketch(("x g out", "x.0>g.0 x.0>g.1 g.0>out.0"), ("x get f out", "x.0>f.0 f.0>out.0 x.0>get.0"))
    found = read(document, sources={"x": "normal"}, categorical=()).task
    assert found.sources == (Normal("x_1.e", Type("A", (1, 28, 28))),)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"dimensions": {"T": (2,)}}, "T: the file's wires are S, V"),
        ({"categorical": ["T"]}, "T: the file's wires are S, V"),
        ({"sources": {"y": "normal"}}, "y: the file's data boxes are x"),
        ({"sources": {"x": "poisson"}}, "box x (boxes-box-2): its source is dataset, normal, uniform, not poisson"),
        ({"weights": {"putput": 2}}, "putput: the file's equations are classify, getput, putget, undo"),
        ({"divergences": {"putput": mse}}, "putput: the file's equations are"),
        ({"trains": {"putput": ["put"]}}, "putput: the file's equations are"),
        ({"trains": {"classify": ["put"]}}, "equation classify: it trains some of get, not put"),
        ({"dimensions": {"S": (0,)}}, "wire S: a shape is a tuple of positive numbers, not (0,)"),
        ({"dimensions": {"V": ()}}, "type V: a categorical type has shape (k,) or (..., k), not ()"),
        ({"divergences": {"getput": kl}}, "equation getput: kl: wires of kind categorical or gaussian are expected"),
    ],
)
def test_an_argument_about_what_is_not_there_is_refused(argument, message):
    with pytest.raises(TaskError, match=f"^{re.escape(message)}"):
        read(file("manipulation"), **argument)


def test_an_equation_without_learners_is_left_out_and_a_file_without_any_is_no_task():
    document = sketch(("x f out label", "x.0>f.0 f.0>out.0 x.1>label.0"), ("x out label", "x.0>out.0 x.1>label.0"))
    found = read(document)
    assert list(found.task.equations) == ["e.out"]
    assert found.warnings == ("equation e.label: left out, since it has no learner to train",)
    assert write(found.task, keep=document) == document
    with pytest.raises(TaskError, match="no equation of the file has a learner to train"):
        read(sketch(("x out", "x.0>out.0"), ("x out", "x.0>out.0")))


def test_folders_are_walked_however_deep_they_nest():
    document = file("manipulation")
    plain = read(document).task
    for each in document["sections"]:
        first, *rest = each["items"]
        each["items"] = [{"label": "outer", "items": [*rest, {"type": "inner", "items": [first]}]}, {"items": []}]
    found = read(document)
    numbers = re.compile(r"\d")
    assert {numbers.sub("", line) for line in equations(found.task)} == {
        numbers.sub("", line) for line in equations(plain)
    }
    assert write(found.task, keep=document) == document


HOSTILE = [
    "../../etc/passwd",
    "a\nb",
    "\x1b[2J",
    '"; import os; "',
    "lambda",
    "2nd",
    "",
    "  ",
    "''",
    "é ﬁ ² λ",
    "\ud800",
    "N",
    "task",
    "equation",
    "players",
    "a.b.c",
    "×" * 300,
    "\u202e",
    "None",
    "h1",
]


@pytest.mark.parametrize("label", HOSTILE)
def test_whatever_labels_say_names_are_identifiers_and_messages_lines(label, tmp_path):
    document = file("manipulation")
    for key in ("wires", "boxes", "diagrams", "equations"):
        for each in items(document, key):
            each["label"] = label
    document["sections"][1]["items"][1]["label"] = label + "V"
    found = read(document)
    for learner in found.task.learners:
        assert learner.name.isidentifier()
    assert all(part.isidentifier() for name in found.task.equations for part in name.split("."))
    assert all(line.isprintable() for line in found.warnings)
    assert parse(str(found.task)) == found.task
    assert made_by(script(found.task, label)) == found.task
    assert write(found.task, keep=document) == document
    again = read(write(found.task), categorical=[each.name for each in types(found.task) if each.kind == "categorical"])
    assert len(again.task.equations) == 4


def types(task: Task) -> set[Type]:
    return {
        type
        for each in task.equations.values()
        for side in (each.lhs, each.rhs)
        for type in (t.type for t in side.walk())
    }


def made_by(source: str) -> Task:
    names: dict = {}
    exec(compile(source, "task.py", "exec"), names)
    return names["task"]


# ------------------------------------------------------------------------------------------------------------ damage


def changed(path: str, value: object) -> dict:
    """The manipulation with one field replaced, or removed if the value is `...`."""
    document = file("manipulation")
    *parents, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    place = document
    for step in parents:
        place = (
            next(e for e in place if e["key"] == step)
            if step in ("wires", "boxes", "diagrams", "equations")
            else place[step]
        )
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sections", ..., "the file: field sections: a list is expected, it is missing"),
        ("sections", {"a": 1}, 'the file: field sections: a list is expected, not {"a": 1}'),
        ("sections", [], "the file: field sections: there is none with the key wires"),
        ("sections/3/items", [], "the file has no equations, so it is no task"),
        ("sections/wires/items", 5, "section wires: field items: a list is expected, not 5"),
        ("sections/wires/items/0", 5, "section wires, item 1: an object is expected, not 5"),
        ("sections/wires/items/0/type", ..., "section wires, item 1: field type: a text is expected, it is missing"),
        ("sections/wires/items/0/label", None, "wire wires-wire-1: field label: a text is expected, not null"),
        ("sections/wires/items/0/type", "wires-wire-2", "wire S (wires-wire-2): field type: another wire has this id"),
        (
            "sections/boxes/items/0/kind",
            "critic",
            "box Output V (boxes-box-1): field kind: learner, data, output, fixed are known, not critic",
        ),
        (
            "sections/boxes/items/0/inputs",
            ...,
            "box Output V (boxes-box-1): field inputs: a list is expected, it is missing",
        ),
        ("sections/boxes/items/0/inputs", ["w"], "box Output V (boxes-box-1): field inputs: no wire has the id w"),
        (
            "sections/boxes/items/0/inputs",
            [["w"]],
            'box Output V (boxes-box-1): field inputs: no wire has the id ["w"]',
        ),
        (
            "sections/boxes/items/0/outputs",
            ["wires-wire-1"],
            "box Output V (boxes-box-1): field outputs: a box of kind output has none",
        ),
        (
            "sections/boxes/items/1/inputs",
            ["wires-wire-1"],
            "box x (boxes-box-2): field inputs: a box of kind data has none",
        ),
        (
            "sections/boxes/items/2/inputs",
            ["wires-wire-1"] * 65,
            "box get (boxes-box-3): field inputs: at most 64 wires are read, not 65",
        ),
        (
            "sections/equations/items/0/lhs-type",
            None,
            "equation classify (equations-equation-1): field lhs-type: a text is expected, not null",
        ),
        (
            "sections/equations/items/0/lhs-type",
            "d",
            "equation classify (equations-equation-1): field lhs-type: no diagram has the id d",
        ),
        (
            "sections/equations/items/0/rhs-type",
            "diagrams-diagram-4",
            "equation classify (equations-equation-1): field rhs-type: diagram s (diagrams-diagram-4) lacks the output box Output V (boxes-box-1) of diagram get(s) (init-diag)",
        ),
        (
            "sections/diagrams/items/0/nodes",
            ...,
            "diagram get(s) (init-diag): field nodes: a list is expected, it is missing",
        ),
        (
            "sections/diagrams/items/0/nodes",
            [],
            "diagram get(s) (init-diag), edge 1: field source: no node has the id node_1",
        ),
        (
            "sections/diagrams/items/0/nodes/0",
            None,
            "diagram get(s) (init-diag), node 1: an object is expected, not null",
        ),
        (
            "sections/diagrams/items/0/nodes/0/id",
            "node_2",
            "diagram get(s) (init-diag), node node_2: field id: another node has this id",
        ),
        (
            "sections/diagrams/items/0/nodes/0/data",
            {},
            "diagram get(s) (init-diag), node node_1, data: field type: a text is expected, it is missing",
        ),
        (
            "sections/diagrams/items/0/nodes/0/data/type",
            "b",
            "diagram get(s) (init-diag), node node_1: field data.type: no box has the id b",
        ),
        (
            "sections/diagrams/items/0/nodes/0/data/inputs",
            ["w"],
            'diagram get(s) (init-diag), node node_1: field data.inputs: ["w"] are not the inputs of box x (boxes-box-2)',
        ),
        (
            "sections/diagrams/items/0/edges",
            [],
            "diagram get(s) (init-diag), node node_2 (get): no edge goes into in-0",
        ),
        ("sections/diagrams/items/0/edges/0", [], "diagram get(s) (init-diag), edge 1: an object is expected, not []"),
        (
            "sections/diagrams/items/0/edges/0/source",
            "node_9",
            "diagram get(s) (init-diag), edge 1: field source: no node has the id node_9",
        ),
        (
            "sections/diagrams/items/0/edges/0/sourceHandle",
            "out-2",
            "diagram get(s) (init-diag), edge 1: field sourceHandle: the outputs of box x (boxes-box-2) are out-0, out-1, not out-2",
        ),
        (
            "sections/diagrams/items/0/edges/0/targetHandle",
            None,
            "diagram get(s) (init-diag), edge 1: field targetHandle: a text is expected, not null",
        ),
        (
            "sections/diagrams/items/0/edges/0/sourceHandle",
            "out-1",
            "diagram get(s) (init-diag), edge 1: out-1 of box x (boxes-box-2) is a wire V (wires-wire-1), but in-0 of box get (boxes-box-3) is a wire S (wires-wire-2)",
        ),
    ],
)
def test_damage_is_told_in_one_line_by_item_and_field(path, value, message):
    with pytest.raises(TaskError, match=f"^{re.escape(message)}$"):
        read(changed(path, value))


def test_loops_doubled_edges_and_doubled_outputs_are_told():
    loop = sketch(("x g out", "x.0>g.0 g.0>g.1 g.0>out.0"), ("x out", "x.0>out.0"))
    with pytest.raises(TaskError, match=r"^diagram lhs \(dlhs\), node g \(g\): it is fed by its own output$"):
        read(loop)
    long = sketch(("x f h=f g out", "x.0>g.0 g.0>f.0 f.0>h.0 h.0>g.1 g.0>out.0"), ("x out", "x.0>out.0"))
    with pytest.raises(TaskError, match="it is fed by its own output"):
        read(long)
    double = sketch(("x f out", "x.0>f.0 f.0>out.0 x.0>out.0"), ("x out", "x.0>out.0"))
    with pytest.raises(
        TaskError, match=r"^diagram lhs \(dlhs\), edge 3: field targetHandle: in-0 of node out is fed already$"
    ):
        read(double)
    with pytest.raises(TaskError, match=r"^diagram lhs \(dlhs\): field nodes: there is no output box$"):
        read(sketch(("x f", "x.0>f.0"), ("x out", "x.0>out.0")))
    outputs = sketch(("x f out o=out", "x.0>f.0 f.0>out.0 x.0>o.0"), ("x out", "x.0>out.0"))
    with pytest.raises(TaskError, match=r"^diagram lhs \(dlhs\): field nodes: box out \(bout\) is there 2 times$"):
        read(outputs)


def test_what_no_equation_needs_may_be_unfinished():
    document = file("manipulation")
    items(document, "diagrams").append({"type": "draft", "label": "New Diagram", "nodes": [{}], "edges": 5})
    items(document, "boxes").append({"type": "b", "label": "New Box", "kind": "learner", "inputs": [], "outputs": []})
    assert read(document).task == read(file("manipulation")).task


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "the file is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"\xff\xfe", "the file is not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        ("[]", "the file: an object with sections is expected, not []"),
        ('{"nodes": [NaN]}', "the file: finite numbers are expected, not NaN"),
        ('{"nodes": [1e999]}', "the file: finite numbers are expected, not 1e999"),
        ("[" * 200 + "]" * 200, "the file is nested more than 100 deep"),
        ("[" * 100_000, "the file is nested more than 100 deep"),
        (" " * (10 * 2**20 + 1), "the file has more than 10 MiB"),
        ({"sections": {1, 2}}, "the file is not JSON: Object of type set is not JSON serializable"),
        ({"sections": float("inf")}, "the file is not JSON: Out of range float values are not JSON compliant"),
    ],
)
def test_what_is_no_file_of_the_editor_is_told(source, message):
    with pytest.raises(TaskError, match=f"^{re.escape(message)}"):
        read(source)


def test_a_document_that_contains_itself_is_refused():
    document = file("manipulation")
    document["self"] = document
    with pytest.raises(TaskError, match=r"^the file is not JSON: Circular reference detected$"):
        read(document)


def test_diagrams_that_cannot_be_written_out_are_refused():
    made = (
        Sketch("A")
        .box("data", "x", "", "A")
        .box("learner", "f", "A", "A")
        .box("learner", "g", "A A", "A")
        .box("output", "o", "A")
    )
    made.diagram("rhs", "x o", "x.0>o.0")
    doubling = " ".join(f"g{n}.0>g{n + 1}.0 g{n}.0>g{n + 1}.1" for n in range(60))
    made.diagram("doubling", "x o " + " ".join(f"g{n}=g" for n in range(61)), f"x.0>g0.0 x.0>g0.1 {doubling} g60.0>o.0")
    following = " ".join(f"f{n}.0>f{n + 1}.0" for n in range(500))
    made.diagram("following", "x o " + " ".join(f"f{n}=f" for n in range(501)), f"x.0>f0.0 {following} f500.0>o.0")
    for label, message in (
        ("doubling", "written out as a formula, it has more than 1000 boxes"),
        ("following", "more than 100 boxes follow one another"),
    ):
        made.equations.clear()
        with pytest.raises(TaskError, match=f"^diagram {label} .*: {message}$"):
            read(made.equation("e", label, "rhs").document)
    made.equations.clear()
    made.diagram(
        "short",
        "x o " + " ".join(f"f{n}=f" for n in range(90)),
        "x.0>f0.0 " + " ".join(f"f{n}.0>f{n + 1}.0" for n in range(89)) + " f89.0>o.0",
    )
    for number in range(200):
        made.equation(f"e{number}", "short", "rhs")
    with pytest.raises(
        TaskError, match=r"^section equations: written out as formulas, they have more than 10000 boxes$"
    ):
        read(made.document)
    del made.equations[50:]
    deep = read(made.document).task
    assert parse(str(deep)) == deep
    assert made_by(script(deep, "deep")) == deep
    assert len(read(write(deep)).task.equations) == 50


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4)
)
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=4), below, max_size=3)
)


def places(value: object, path: tuple = ()) -> list[tuple]:
    found = [path] if path else []
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += places(below, (*path, key))
    return found


@st.composite
def damaged(draw: st.DrawFn) -> dict:
    """A file with a few fields replaced by other values, values from elsewhere in it, or nothing."""
    document = file(draw(st.sampled_from(sorted(TASKS))))
    for _ in range(draw(st.integers(1, 4))):
        known = places(document)
        path = draw(st.sampled_from(known))
        place = document
        for step in path[:-1]:
            place = place[step]
        how = draw(st.sampled_from(["replace", "copy", "copy", "remove", "double"]))
        if how == "remove":
            del place[path[-1]]
        elif how == "double" and isinstance(place, list):
            place.insert(path[-1], copy.deepcopy(place[path[-1]]))
        else:
            other = document
            for step in draw(st.sampled_from(known)):
                other = other[step] if isinstance(other, dict | list) else other
            place[path[-1]] = copy.deepcopy(other) if how == "copy" else draw(VALUES)
    return document


def refusal(document: dict) -> str | None:
    """What the reader says against a file."""
    try:
        read(document)
    except TaskError as error:
        return str(error)
    return None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damaged())
def test_a_damaged_file_is_read_or_refused_in_one_line(document):
    before = copy.deepcopy(document)
    message = refusal(document)
    assert document == before
    if message is not None:
        assert message.isprintable()
        return
    found = read(document)
    assert all(line.isprintable() for line in found.warnings)
    assert parse(str(found.task)) == found.task
    assert made_by(script(found.task, "damaged")) == found.task
    assert write(found.task, keep=document) == document
    assert_the_editor_takes(write(found.task))


@settings(max_examples=100, deadline=None)
@given(st.text() | st.binary() | VALUES)
def test_anything_else_is_refused(source):
    with pytest.raises(TaskError):
        read(source if isinstance(source, str | bytes | dict) else json.dumps(source))


# ----------------------------------------------------------------------------------------------------------- writing


def assert_the_editor_takes(document: dict) -> None:
    """What the editor asks of a file when it loads it, and of equations before it makes code of them."""
    assert {"sections", "nodes", "edges"} <= set(document)
    boxes = {each["type"]: each for each in items(document, "boxes")}
    wires = {each["type"]: each for each in items(document, "wires")}
    diagrams = {each["type"]: each for each in items(document, "diagrams")}
    (opened,) = (each for each in diagrams.values() if each["opened"])
    assert (document["nodes"], document["edges"]) == (opened["nodes"], opened["edges"])
    for each in diagrams.values():
        nodes = {node["id"]: boxes[node["data"]["type"]] for node in each["nodes"]}
        fed = set()
        for edge in each["edges"]:
            given = nodes[edge["source"]]["outputs"][int(edge["sourceHandle"].removeprefix("out-"))]
            taken = nodes[edge["target"]]["inputs"][int(edge["targetHandle"].removeprefix("in-"))]
            assert given == taken
            assert edge["style"]["stroke"] == wires[given]["color"]
            fed.add((edge["target"], edge["targetHandle"]))
        assert len(fed) == len(each["edges"])
        assert fed == {(id, f"in-{slot}") for id, box in nodes.items() for slot in range(len(box["inputs"]))}
    for each in items(document, "equations"):
        left, right = (
            sorted(
                node["data"]["type"]
                for node in diagrams[each[side]]["nodes"]
                if boxes[node["data"]["type"]]["kind"] == "output"
            )
            for side in ("lhs-type", "rhs-type")
        )
        assert left == right
        assert len(set(left)) == len(left) > 0


@pytest.mark.parametrize("name", sorted(TASKS))
def test_the_files_are_what_is_written(name):
    assert text(write(TASKS[name])) + "\n" == (FILES / f"{name}.json").read_text()


@pytest.mark.parametrize("name", systems.names())
def test_every_system_is_written_as_the_editor_takes_it_and_read_again(name):
    document = write(systems.example(name).task)
    assert_the_editor_takes(document)
    found = read(document)
    assert write(found.task, keep=document) == document
    assert parse(str(found.task)) == found.task
    assert made_by(script(found.task, name)) == found.task


def form(task: Task) -> list:
    """Equations as wirings; the names of sources without those of equations, and types by their names."""
    found = []
    for name, each in task.equations.items():
        plan = wiring(each.lhs, each.rhs)
        nodes = [
            (
                re.sub(r"[.]\w+", "", node.name) if node.source else node.name,
                node.inputs,
                [type.name for _, type in node.outputs],
            )
            for node in plan.nodes
        ]
        found.append((name, nodes, plan.outputs))
    return found


Q = Type("Z", (64,), "gaussian")
P = Type("P", (1, 28, 28), "bernoulli")
split, join = Learner("split", (S,), product(V, Z)), Learner("join", (product(Z, V),), S)
qenc, pdec, shift = Learner("qenc", (S,), Q), Learner("pdec", (Z, V), P), Learner("shift", (V,), Z)
y = x.again()
VARIED = {
    **TASKS,
    "independent": task(
        putget=equation(get(noise(0.1)(put(s, a))), a, cross_entropy, trains=put, weight=3),
        putput=equation(put(put(s, a), a.again()), put(s, a.again()), mse, trains=put),
    ),
    "parts": task(parts=equation(join(pair(split(s)[1], split(s)[0])), s, mse, trains=(join, split))),
    "arithmetic": task(offset=equation(dec(enc(s) + 0.5 * shift(v)), s, mse, trains=(enc, dec, shift))),
    "twice": task(same=equation(put(s, v), put(next(iter(y)), get(s)), mse, trains=put)),
    "constants": task(
        zero=equation(enc(s), constant(0, Z), mse, trains=enc), seven=equation(get(s), constant(7, V), kl, trains=get)
    ),
}


@pytest.mark.parametrize("name", VARIED)
def test_a_task_that_is_written_and_read_is_wired_as_before(name):
    document = write(VARIED[name])
    assert_the_editor_takes(document)
    assert form(read(document, categorical=["V"]).task) == form(VARIED[name])


def test_what_is_written_and_read_has_equal_hypergraphs():
    found = read(write(manipulation)).task
    for name, each in manipulation.equations.items():
        alone = Task({name: each})
        renamed = alone.with_sources({x: Dataset(f"x.{name}", x.types)}).equations[name]
        one, two = (diagram(term.lhs, term.rhs).to_hypergraph() for term in (renamed, found.equations[name]))
        assert one == two


def test_a_joint_comparison_has_an_output_box_for_each_part():
    law = task(law=equation(pair(put(s, a), a), pair(*y), mmd, trains=put))
    document = write(law)
    assert_the_editor_takes(document)
    assert [each["label"] for each in items(document, "boxes") if each["kind"] == "output"] == ["Output S", "Output V"]
    found = read(document)
    assert equations(found.task) == [
        "law.Output_S : put(s, a.law) == s' [mse; trains put] s ~ x.law; a.law ~ a.law; s' ~ x.law'"
    ]
    assert "equation law.Output_V: left out" in found.warnings[0]
    assert lost(law) == ("not in the file: equation law: that its parts are compared jointly, its divergence mmd",)


def test_what_the_editor_lacks_is_a_fixed_box_and_told():
    T = Type("T", (28,))
    features, head, frozen = Learner("features", (S,), T), Learner("head", (T,), V), Learner("frozen", (S,), S)
    blur = Fixed("blur", (S,), S, body=lambda image: image)
    cls = Composite("cls", features, head)
    made = task(
        classify=equation(cls(blur(frozen(s))), v, cross_entropy, trains=cls),
        features=equation(features(s), features(frozen(s)), mse, trains=features, weight=0.5),
        recon=equation(pdec(sample(qenc(s)), v), s, bernoulli_nll, trains=(pdec, qenc)),
        prior=equation(qenc(s), standard_normal(Q), kl, trains=qenc),
    )
    document = write(made)
    assert_the_editor_takes(document)
    kinds = {each["label"]: each["kind"] for each in items(document, "boxes") if each["kind"] in ("learner", "fixed")}
    assert kinds == {
        "cls": "learner",
        "features": "learner",
        "pdec": "learner",
        "qenc": "learner",
        "blur": "fixed",
        "frozen": "fixed",
        "sample": "fixed",
        "N(0,1)": "fixed",
    }
    assert [line.removeprefix("not in the file: ") for line in lost(made)] == [
        "equation features: its weight 0.5",
        "equation recon: its divergence bernoulli_nll",
        "equation prior: its divergence kl",
        "box blur: what it computes",
        "box sample: what it computes",
        "source N(0,1): what it draws",
        "wire P(1x28x28): that it is bernoulli",
        "wire Z(64): that it is gaussian",
        "learner features: that cls and features share it",
    ]
    assert lost(manipulation) == lost(autoencoder) == lost(gan) == ()


def test_boxes_of_one_name_and_other_wires_are_told_apart():
    one, two = (Fixed("f", (type,), type, body=lambda value: value) for type in (S, Z))
    made = task(e=equation(dec(two(enc(one(s)))), s, mse, trains=(enc, dec)))
    document = write(made)
    assert_the_editor_takes(document)
    assert equations(read(document).task)[0].startswith("e : dec(f_2(enc(f(s)))) == s ")


def test_a_diagram_is_laid_out_from_left_to_right_without_overlaps():
    for each in items(write(systems.example("matched_manipulator").task), "diagrams"):
        places = {node["id"]: node["position"] for node in each["nodes"]}
        for edge in each["edges"]:
            assert places[edge["source"]]["x"] + 60 < places[edge["target"]]["x"]
        columns: dict[int, list[int]] = {}
        for place in places.values():
            columns.setdefault(place["x"], []).append(place["y"])
        for heights in columns.values():
            assert all(below - above >= 48 for above, below in zip(sorted(heights), sorted(heights)[1:], strict=False))


# ----------------------------------------------------------------------------------------------------- write and keep


@pytest.fixture
def drawn() -> dict:
    """The manipulation as it comes back from the editor, with what only the editor knows."""
    document = file("manipulation")
    document["version"], document["viewport"] = 3, {"zoom": 1.5}
    for section in document["sections"]:
        section["folders"] = [{"id": "fld-1", "name": "mine", "createdAt": 1764336486940}]
        for number, each in enumerate(section["items"]):
            each["folderId"], each["note"] = "fld-1", f"item {number}"
    for each in items(document, "diagrams"):
        for node in each["nodes"]:
            node |= {"measured": {"width": 48, "height": 88}, "selected": False, "dragging": False}
            node["position"] = {"x": 281.25, "y": -17.5}
            node["data"]["colour"] = "red"
        for edge in each["edges"]:
            edge |= {"animated": True, "selected": False}
    items(document, "diagrams").append(
        {"type": "draft", "label": "New Diagram", "opened": False, "nodes": [], "edges": []}
    )
    items(document, "boxes").append(
        {"type": "spare", "label": "New Box", "kind": "learner", "inputs": [], "outputs": []}
    )
    return document


def test_a_file_that_is_read_and_written_is_the_same_to_the_byte(drawn):
    before = text(drawn)
    found = read(before)
    assert text(found.document) == before
    assert text(write(found.task, keep=found.document)) == before
    told = read(
        before, dimensions={"S": (3, 8, 8)}, categorical=[], trains={"putget": ["put"]}, sources={"x": "normal"}
    )
    assert text(write(told.task, keep=told.document)) == before
    assert text(found.document) == before


def test_what_is_not_changed_is_kept(drawn):
    found = read(drawn)
    s1 = next(iter(found.task.equations["getput"].sources[0]))
    get, put = found.task.learners
    twice = equation(put(put(s1, get(s1)), get(s1)), s1, mse, trains=put)
    more = Task(
        {
            **{name: each for name, each in found.task.equations.items() if name != "putget"},
            "undo": twice,
            "twice": twice,
        }
    )
    after = write(more, keep=drawn)
    assert form(read(after).task) == form(more)
    assert [each["label"] for each in items(after, "equations")] == ["classify", "getput", "undo", "twice"]
    for key in ("wires", "boxes"):
        assert items(after, key) == items(drawn, key)
    old, new = ({each["type"]: each for each in items(document, "diagrams")} for document in (drawn, after))
    changed = [id for id in old if old[id] != new[id]]
    assert [old[id]["label"] for id in changed] == ["put(put(s, v), get(s))"]
    assert all(new[id]["note"] == old[id]["note"] for id in changed)
    assert {key: after[key] for key in ("version", "viewport", "nodes", "edges")} == {
        key: drawn[key] for key in ("version", "viewport", "nodes", "edges")
    }


def test_a_diagram_of_two_equations_is_not_changed_for_one_of_them(drawn):
    found = read(drawn)
    _, s3 = found.task.equations["getput"].lhs, found.task.equations["getput"].rhs
    get, put = found.task.learners
    changed = equation(put(s3, get(s3)), put(s3, get(s3)), mse, trains=put)
    after = write(Task({**found.task.equations, "getput": changed}), keep=drawn)
    assert form(read(after).task)[3] == form(found.task)[3]
    assert equations(read(after).task)[2].startswith("getput : put(s3, get(s3)) == put(s3, get(s3)) ")


def test_a_learner_with_other_wires_is_the_same_box_changed(drawn):
    found = read(drawn)
    s, v = found.task.equations["classify"].sources[0]
    wider = Learner("get", (found.task.learners[0].dom[0], v.type), v.type)
    after = write(Task({"classify": equation(wider(s, v), v, cross_entropy, trains=wider)}), keep=drawn)
    assert item(after, "boxes", "get")["inputs"] == [
        each["type"] for label in "SV" for each in items(after, "wires") if each["label"] == label
    ]
    assert equations(read(after).task)[0].startswith("classify : get(s, v) == v ")


def test_a_fixed_box_that_a_new_equation_trains_becomes_a_learner():
    document = sketch(("x f blur out", "x.0>f.0 f.0>blur.0 blur.0>out.0"), ("x out", "x.0>out.0"))
    found = read(document, trains={"e": ["f", "blur"]}).task
    assert write(found, keep=document) == document
    _, blur = found.learners
    a = found.equations["e"].rhs
    after = write(found.with_equations(blurred=equation(blur(a), a, mse, trains=blur)), keep=document)
    assert item(after, "boxes", "blur")["kind"] == "fixed"
    only = write(Task({"blurred": equation(blur(a), a, mse, trains=blur)}), keep=document)
    assert item(only, "boxes", "blur")["kind"] == "learner"
    assert equations(read(only).task) == ["blurred : blur(a) == a [mse; trains blur] a ~ x.blurred"]


def test_sides_of_different_wires_are_not_written():
    anything = Divergence("anything", lambda lhs, rhs, type: torch.zeros(len(lhs)), lambda lhs, rhs: None)
    with pytest.raises(TaskError, match=r"^equation e: the editor compares wire by wire, not S\(1x28x28\) with S"):
        write(task(e=equation(put(s, a), pair(s, v), anything, trains=put)))


def test_a_task_without_equations_is_not_written():
    with pytest.raises(TaskError, match=r"^the task has no equations to write$"):
        write(Task({}))


# ------------------------------------------------------------------------------------------------------------ script


def test_a_script_says_what_was_told_and_gives_way_to_learners():
    document = file("manipulation")
    item(document, "boxes", "get")["label"] = "equation"
    item(document, "boxes", "put")["label"] = "S"
    found = read(document, weights={"undo": 20}, divergences={"getput": l1}).task
    source = script(found, "editing")
    assert "equation as equation_," in source
    assert "S_ = Type(" in source
    assert source.endswith("task = Task(equations)\n")
    assert made_by(source) == found


def test_what_only_code_can_make_is_not_scripted():
    blur = Fixed("blur", (S,), S, body=lambda image: image)
    with pytest.raises(TaskError, match=r"^`blur\(s\)` is not written as Python$"):
        script(task(e=equation(dec(enc(blur(s))), s, mse, trains=(enc, dec))), "blurred")


# ------------------------------------------------------------------------------------------------------ command line


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["pipeline", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


def test_import_prints_the_task_and_writes_it_as_python(tmp_path, monkeypatch, capsys):
    out = tmp_path / "new" / "task.py"
    assert run(monkeypatch, "import", FILES / "manipulation.json", "-o", out) == 0
    shown = capsys.readouterr()
    expected = read(file("manipulation"))
    assert shown.out == f"{expected.task}\n"
    ignored = "putget, getput, undo: all equations can hold while put ignores its input 2 (V)"
    warnings = [f"warning: {line}" for line in (*expected.warnings, ignored)]
    assert shown.err.splitlines() == [*warnings, f"written: {out}"]
    assert made_by(out.read_text()) == expected.task


def test_export_writes_a_system_and_warns_of_what_is_lost(tmp_path, monkeypatch, capsys):
    out = tmp_path / "task.json"
    assert run(monkeypatch, "export", "manipulator", "-o", out) == 0
    shown = capsys.readouterr()
    assert json.loads(out.read_text()) == write(systems.example("manipulator").task)
    assert shown.out == f"4 equations written: {out}\n"
    assert "warning: not in the file: equation undo: its weight 20, that it trains put alone" in shown.err.splitlines()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "the file is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b" " * (10 * 2**20 + 1), "the file has more than 10 MiB"),
        (b"{}", "the file: field sections: a list is expected, it is missing"),
    ],
)
def test_import_tells_what_is_wrong_with_a_file(content, message, tmp_path, monkeypatch, capsys):
    path = tmp_path / "task.json"
    path.write_bytes(content)
    assert run(monkeypatch, "import", path) == 2
    assert capsys.readouterr().err == f"error: {path}: {message}\n"


def test_bad_places_are_told_in_one_line(tmp_path, monkeypatch, capsys):
    good = FILES / "gan.json"
    for arguments, message in (
        (("import", tmp_path), f"{tmp_path}: Is a directory"),
        (("import", tmp_path / "no.json"), f"{tmp_path / 'no.json'}: No such file or directory"),
        (
            ("import", good, "-o", tmp_path),
            f"{tmp_path}: a folder; a file's name is expected, such as {tmp_path / 'task.py'}",
        ),
        (
            ("export", "manipulator", "-o", tmp_path),
            f"{tmp_path}: a folder; a file's name is expected, such as {tmp_path / 'task.json'}",
        ),
        (("export", "nothing", "-o", tmp_path / "a.json"), "unknown system `nothing`: expected one of classifier,"),
        (("export", "manipulator"), "Missing option '-o'"),
    ):
        assert run(monkeypatch, *arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {message}")
        assert error.count("\n") == 1
