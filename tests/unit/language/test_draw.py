import os
import random
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from discopy import markov, python
from PIL import Image

from pipeline import systems
from pipeline.language import (
    Composite,
    Dataset,
    Fixed,
    Learner,
    ProjectedGradient,
    TaskError,
    Type,
    Uniform,
    cross_entropy,
    equation,
    mse,
    noise,
    optimise,
    pair,
    standard_normal,
    task,
)
from pipeline.language.draw import Side, diagram, draw, equation_svg
from pipeline.language.sources import Wire
from pipeline.language.terms import Term

S, V, F = Type("S", (4,)), Type("V", (3,), "categorical"), Type("F", (2,))
x, a = Dataset("x", {"s": S, "v": V}), Uniform("a", V)
s, v = x
features, head = Learner("features", (S,), F), Learner("head", (F,), V)
get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
SVG = "{http://www.w3.org/2000/svg}"

# The same by hand, in discopy's terms.
s_, v_ = markov.Ty("S"), markov.Ty("V")
X, A = markov.Box("x", markov.Ty(), s_ @ v_), markov.Box("a", markov.Ty(), v_)
GET, PUT = markov.Box("get", s_, v_), markov.Box("put", s_ @ v_, s_)
copy, drop = markov.Copy(s_), markov.Copy(v_, 0)


def same(one, two) -> bool:
    return one.to_hypergraph() == two.to_hypergraph()


def names(found) -> list[str]:
    return sorted(box.name for box in found.boxes if not isinstance(box, markov.Copy | markov.Swap))


def test_a_subterm_mentioned_twice_is_copied_and_an_unused_wire_is_discarded():
    assert same(diagram(put(s, get(s))), X >> copy @ drop >> s_ @ GET >> PUT)


def test_undo_is_wired_as_in_the_paper():
    by_hand = X >> copy @ drop >> s_ @ A @ s_ >> PUT @ GET >> PUT
    assert same(diagram(put(put(s, a), get(s))), by_hand)


def test_independent_draws_are_two_states_without_a_copy():
    t, _ = x.again()
    assert not same(diagram(put(s, get(t))), diagram(put(s, get(s))))
    assert names(diagram(put(s, get(t)))) == ["get", "put", "x", "x'"]


def test_the_order_of_inputs_matters():
    swap = Learner("swap", (V, S), S)
    crossed = X >> markov.Swap(s_, v_) >> markov.Box("swap", v_ @ s_, s_)
    assert same(diagram(swap(v, s)), crossed)
    assert not same(diagram(put(s, v)), diagram(put(put(s, v), v)))


def test_domain_codomain_and_boxes():
    found = diagram(put(put(s, a), get(s)), v)
    assert (found.dom, found.cod) == (markov.Ty(), s_ @ v_)
    assert names(found) == ["a", "get", "put", "put", "x"]


def test_sides_drawn_together_share_their_draw():
    assert same(diagram(get(s), v), X >> GET @ v_)


def test_a_pair_is_wires_side_by_side():
    assert same(diagram(pair(get(s), v)), X >> GET @ v_)
    assert same(diagram(pair(pair(v, s), s)), X >> markov.Swap(s_, v_) >> v_ @ copy)


def test_a_composite_applied_as_a_whole_is_one_box():
    first, second = Learner("first", (S,), F), Learner("second", (F,), V)
    both = Composite("both", first, second)
    assert names(diagram(both(s))) == ["both", "x"]
    assert names(diagram(first(s))) == ["first", "x"]
    assert names(diagram(pair(both(s), first(s)))) == ["both", "first", "x"]


def test_the_noise_of_a_random_box_is_hidden_and_drawn_once():
    blurred = noise(0.1)(s)
    found = diagram(put(blurred, get(blurred)))
    NOISE = markov.Box("noise[0.1]", s_, s_)
    assert same(found, X >> s_ @ drop >> NOISE >> copy >> s_ @ GET >> PUT)


def test_an_inner_optimum_is_a_box_on_what_it_reads_from_outside():
    worst = optimise(s, lambda t: (get(t), v), cross_entropy, ProjectedGradient(1.0, 1))
    box = next(box for box in diagram(get(worst)).boxes if box.name.startswith("argmax"))
    assert (box.name, box.dom, box.cod) == ("argmax cross_entropy(get(t), v)", s_ @ v_, s_)
    best = optimise(s, lambda t: (get(t), v), cross_entropy, ProjectedGradient(1.0, 1, maximise=False))
    assert names(diagram(best))[0].startswith("argmin")


def test_a_constant_is_a_state():
    Q = Type("Z", (2,), "gaussian")
    assert same(diagram(standard_normal(Q)), markov.Box("N(0,1)", markov.Ty(), markov.Ty("Z")))


def random_term(seed: int) -> Term:
    """A term with much sharing, over boxes of several types."""
    choose = random.Random(seed)
    join = Fixed("join", (V, V, S), V, body=lambda *values: values[0])
    known = [s, v, a.term, *x.again()]
    for _ in range(choose.randint(1, 12)):
        box = choose.choice([get, put, put, join])
        known.append(box(*(choose.choice([term for term in known if term.type == type]) for type in box.dom)))
    return pair(*choose.sample(known, 2)) if seed % 2 else known[-1]


@pytest.mark.parametrize("seed", range(60))
def test_a_diagram_run_as_a_function_spells_its_term(seed):
    """Boxes as functions that write down their application: what comes out is what the term prints."""
    term = random_term(seed)
    found = diagram(term)
    wires = {each.op.source.name: tuple(map(str, each.op.source)) for each in term.walk() if isinstance(each.op, Wire)}

    def spell(box):
        def run(*inputs):
            names = wires.get(box.name, (f"{box.name}({', '.join(inputs)})",))
            return names if len(names) > 1 else names[0]

        return python.Function(run, python.Ty(len(box.dom) * [str]), python.Ty(len(box.cod) * [str]))

    Spell = markov.Functor(lambda _: str, spell, cod=markov.Category(python.Ty, python.Function))
    spelt = Spell(found)()
    assert (f"({', '.join(spelt)})" if isinstance(spelt, tuple) else spelt) == str(term)


@pytest.mark.parametrize("seed", range(60))
def test_nothing_lies_on_anything_else(seed):
    term = random_term(seed)
    placed = Side.of(term).layout
    for part in placed.parts:
        for other in placed.parts:
            if part is not other and part.column == other.column:
                assert abs(part.y - other.y) >= part.half + other.half - 0.15
            if part.column > other.column:
                assert part.x + part.width <= other.x or other.kind == "source"
    assert all(link.start.column == link.end.column + 1 for link in placed.links)
    assert all(
        link.start.x + link.start.width <= link.bend[0] + 1e-6 < link.bend[1] <= link.end.x + 1e-6
        for link in placed.links
    )
    drawn = sorted(part.kind for part in placed.parts if part.kind in ("copy", "discard"))
    knots = [box for box in diagram(term).boxes if isinstance(box, markov.Copy)]
    assert drawn == sorted("copy" if len(knot.cod) else "discard" for knot in knots)


@pytest.mark.parametrize("system", systems.names())
def test_no_wires_cross_in_the_published_systems(system):
    for each in systems.example(system).task.equations.values():
        assert Side.of(each.lhs).layout.crossings == Side.of(each.rhs).layout.crossings == 0


def test_a_crossing_that_cannot_be_avoided_is_the_only_one():
    swap = Learner("swap", (V, S), S)
    assert Side.of(swap(v, s)).layout.crossings == 1


EDIT = task(
    putget=equation(get(noise(0.1)(put(s, a))), a, cross_entropy, trains=put),
    getput=equation(put(s, get(s)), s, mse, trains=(put, get), weight=20),
)


def test_an_svg_names_boxes_sources_types_divergence_and_learners():
    root = ElementTree.fromstring(equation_svg("getput", EDIT.equations["getput"]))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert sorted(texts) == sorted(
        ["getput", "x", "s : S", "v : V", "get", "V", "put", "S", "mse × 20", "put", "get", "x", "s : S", "v : V"]
    )
    assert root.find(f"{SVG}title").text == f"getput : {EDIT.equations['getput']}"
    assert len(list(root.iter(f"{SVG}circle"))) == 3  # one copy, two discards


def test_an_svg_takes_the_colour_of_its_page():
    svg = equation_svg("getput", EDIT.equations["getput"])
    root = ElementTree.fromstring(svg)
    assert root.get("stroke") == "currentColor"
    assert {text.get("fill") for text in root.iter(f"{SVG}text")} == {"currentColor"}
    assert all(path.get("fill-opacity") for path in root.iter(f"{SVG}path") if path.get("fill"))


def test_a_learner_has_one_colour_in_all_equations_and_a_stronger_one_where_it_is_trained():
    def fill(name: str, equation_name: str) -> tuple[str, float]:
        svg = equation_svg(equation_name, EDIT.equations[equation_name], EDIT.equations.values())
        elements = list(ElementTree.fromstring(svg))
        at = next(n for n, element in enumerate(elements) if element.text == name)
        return elements[at - 1].get("fill"), float(elements[at - 1].get("fill-opacity"))

    (in_putget, frozen), (in_getput, trained) = fill("get", "putget"), fill("get", "getput")
    assert in_putget == in_getput != fill("put", "putget")[0]
    assert frozen < trained


def test_everything_drawn_is_on_the_paper(tmp_path):
    draw(EDIT, tmp_path / "edit.svg")
    root = ElementTree.parse(tmp_path / "edit.svg").getroot()
    width, height = float(root.get("width")), float(root.get("height"))
    for path in root.iter(f"{SVG}path"):
        for point in path.get("d").split():
            if "," in point:
                left, top = map(float, point.split(","))
                assert 0 < left < width
                assert 0 < top < height


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_task_gives_the_same_bytes(tmp_path, suffix):
    draw(EDIT, tmp_path / f"one.{suffix}")
    draw(EDIT, tmp_path / f"two.{suffix}")
    assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_another_process_gives_the_same_bytes(tmp_path):
    code = (
        "import sys, pathlib; from pipeline import systems; from pipeline.language.draw import draw; "
        "draw(systems.example('manipulator').task, pathlib.Path(sys.argv[1]))"
    )
    for seed in "12":
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, tmp_path / f"{seed}.svg"], check=True, env=environment)
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()


def test_a_png_has_the_proportions_of_the_svg_and_is_not_blank(tmp_path):
    draw(EDIT, tmp_path / "edit.png")
    draw(EDIT, tmp_path / "edit.SVG")
    root = ElementTree.parse(tmp_path / "edit.SVG").getroot()
    with Image.open(tmp_path / "edit.png") as picture:
        assert picture.width == pytest.approx(2 * float(root.get("width")), abs=2)
        assert picture.height == pytest.approx(2 * float(root.get("height")), abs=2)
        assert len(picture.convert("RGB").getcolors(100_000)) > 10


def test_other_suffixes_and_empty_tasks_are_refused(tmp_path):
    with pytest.raises(TaskError, match=r"edit\.pdf: diagrams are written as \.svg or \.png"):
        draw(EDIT, tmp_path / "edit.pdf")
    with pytest.raises(TaskError, match="no equations"):
        draw(EDIT.frozen(put, get), tmp_path / "edit.svg")
    assert list(Path(tmp_path).iterdir()) == []
