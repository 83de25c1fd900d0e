import math
import os
import random
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from discopy import markov, python
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font, LoadFlags
from PIL import Image

from pipeline import systems
from pipeline.language import (
    Composite,
    Dataset,
    Fixed,
    Learner,
    ProjectedGradient,
    Refinement,
    Task,
    TaskError,
    Type,
    Uniform,
    cross_entropy,
    drawn,
    equation,
    every,
    expected,
    mse,
    noise,
    optimise,
    pair,
    product,
    standard_normal,
    task,
)
from pipeline.language.draw import Side, diagram, draw, equation_svg, sheet
from pipeline.language.layout import Part
from pipeline.language.marks import Bounds, Dot, Label, Point, Sheet, Stroke, svg, text_width
from pipeline.language.signs import PENS, Look, nth_pen
from pipeline.language.sources import Wire
from pipeline.language.terms import Arithmetic, Term
from pipeline.language.wiring import wiring
from tests.unit.language.pictured import PICTURED

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
def test_parts_keep_their_distances_and_copies_and_discards_are_those_of_the_diagram(seed):
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
    # One dot copies to many, or several do one after another: what counts is how many more wires there are.
    legs = [len(links) for (part, _), links in placed.leaving().items() if part.kind != "end"]
    knots = [len(box.cod) for box in diagram(term).boxes if isinstance(box, markov.Copy)]
    assert legs.count(0) == knots.count(0)
    assert sum(each - 1 for each in legs if each > 1) == sum(each - 1 for each in knots if each > 1)


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


# ------------------------------------------------------------------------------------------- all that can be drawn

ALL = {**PICTURED, **{name: lambda name=name: systems.example(name).task for name in systems.names()}}
CROSSED = {  # wires that come in one order and are wanted in another, or leave a region that others enclose
    "complement": 1,
    "complement_manipulator": 1,
    "conditional_wgan_gp": 1,
    "cycle_gan": 1,
    "energy": 1,
    "iwae": 1,
    "offset_manipulator": 2,
    "products": 2,
    "refinements": 1,
    "sampling_manipulator": 1,
    "unrolled": 13,
}
pictures = pytest.mark.parametrize("name", ALL)


def sides(made: Task) -> list[Side]:
    """All that is drawn of a task."""
    found = [Side.of(side) for each in made.equations.values() for side in (each.lhs, each.rhs)]
    return found + [side for each in made.refinements if each.before for side in before_and_after(each)]


def before_and_after(refinement: Refinement) -> list[Side]:
    border = next((each.op.source for each in refinement.before.inputs), None)
    return [Side.of(term, border=border) for term in (refinement.before, refinement.after)]


def look(side: Side) -> Look:
    types = dict.fromkeys(type for node in side.wiring.nodes for _, type in node.outputs)
    return Look({}, {type: nth_pen(place) for place, type in enumerate(types)})


def texts(shown: Sheet) -> list[str]:
    return [mark.text for mark in shown.marks if isinstance(mark, Label)]


def strokes(shown: Sheet) -> list[Stroke]:
    return [mark for mark in shown.marks if isinstance(mark, Stroke)]


def closed(stroke: Stroke) -> bool:
    return stroke.steps[-1][0] == "Z"


def boxes(shown: Sheet) -> list[Bounds]:
    return [each.bounds for each in strokes(shown) if closed(each)]


def along(stroke: Stroke, count: int = 16) -> list[Point]:
    """Points on the lines and curves of a stroke."""
    found = [stroke.steps[0][1][0]]
    for _, given in stroke.steps[1:]:
        corners = np.array([found[-1], *given])
        t = np.linspace(0, 1, count + 1)[1:, None]
        if len(corners) == 4:
            weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
        else:
            weights = np.hstack([1 - t, t])
        found += map(tuple, weights @ corners)
    return found


def overlap(one: Bounds, two: Bounds, least: float = 0.3) -> bool:
    return all(one[k] + least < two[k + 2] and two[k] + least < one[k + 2] for k in (0, 1))


def inside(one: Bounds, two: Bounds) -> bool:
    return all(one[k] >= two[k] and one[k + 2] <= two[k + 2] for k in (0, 1))


def within(point: Point, bounds: Bounds, inset: float) -> bool:
    return all(bounds[k] + inset < point[k] < bounds[k + 2] - inset for k in (0, 1))


@pictures
def test_everything_is_on_the_sheet(name):
    shown = sheet(ALL[name]())
    assert all(inside(mark.bounds, (1, 1, shown.width - 1, shown.height - 1)) for mark in shown.marks)


@pictures
def test_texts_are_clear_of_each_other_and_of_boxes_and_dots(name):
    shown = sheet(ALL[name]())
    labels = [mark for mark in shown.marks if isinstance(mark, Label)]
    for one, two in combinations(labels, 2):
        assert not overlap(one.bounds, two.bounds), (one, two)
    for label in labels:
        assert all(inside(label.bounds, box) or not overlap(label.bounds, box) for box in boxes(shown)), label
        assert not any(overlap(label.bounds, mark.bounds) for mark in shown.marks if isinstance(mark, Dot)), label


@pictures
def test_boxes_are_clear_of_each_other(name):
    assert not any(overlap(one, two) for one, two in combinations(boxes(sheet(ALL[name]())), 2))


@pictures
def test_wires_are_clear_of_texts_and_boxes_and_of_the_dots_of_others(name):
    for side in sides(ALL[name]()):
        marks = list(side.marks(look(side), ()))
        labels = [mark.bounds for mark in marks if isinstance(mark, Label)]
        solid = [mark.bounds for mark in marks if isinstance(mark, Stroke) and closed(mark)]
        dots = [mark for mark in marks if isinstance(mark, Dot)]
        for wire in (mark for mark in side.wires(look(side)) if isinstance(mark, Stroke)):
            path = along(wire)
            assert not any(within(point, label, 0.7) for point in path for label in labels)
            assert not any(within(point, box, 4.0) for point in path for box in solid)
            for dot in dots:
                if min(math.dist(end, dot.centre) for end in (path[0], path[-1])) > 0.1:
                    assert min(math.dist(point, dot.centre) for point in path) > dot.radius + 1


@pictures
def test_wires_meet_ports(name):
    """Each port that gives is where a wire begins, each that reads is where just one ends, at the outline of its box."""
    for side in sides(ALL[name]()):
        wires = [mark for mark in side.wires(look(side)) if isinstance(mark, Stroke)]
        begin = [tuple(np.round(along(wire)[0], 2)) for wire in wires]
        end = [tuple(np.round(along(wire)[-1], 2)) for wire in wires]
        for part in side.layout.parts:
            if part.kind == "wire":
                continue
            for output in range(part.outputs):
                assert begin.count(tuple(np.round(leaves(part, output), 2))) == 1
            for slot in range(part.inputs):
                assert end.count(tuple(np.round(enters(part, slot), 2))) == 1
            if part.node >= 0 and isinstance(side.wiring.nodes[part.node].op, Arithmetic):
                centre = part.x + part.width / 2, part.y
                assert all(
                    math.dist(enters(part, slot), centre) == pytest.approx(part.width / 2)
                    for slot in range(part.inputs)
                )


def leaves(part: Part, output: int) -> Point:
    return part.x + part.width, part.y + part.offset(output, part.outputs)


def enters(part: Part, slot: int) -> Point:
    return part.x + part.size.inset, part.y + part.offset(slot, part.inputs)


@pictures
def test_no_more_wires_cross_than_must(name):
    assert sum(side.layout.crossings for side in sides(ALL[name]())) <= CROSSED.get(name, 0)


@pictures
def test_a_picture_is_drawn_in_a_second(name, tmp_path):
    draw(PICTURED["vae"](), tmp_path / "first.png")  # what is loaded once
    made = ALL[name]()
    for suffix in ("svg", "png"):
        begin = time.process_time()
        draw(made, tmp_path / f"picture.{suffix}")
        assert time.process_time() - begin < (2.0 if name == "unrolled" else 1.0)


@pictures
def test_all_terms_have_a_discopy_diagram_of_the_same_boxes(name):
    for each in ALL[name]().equations.values():
        for side in (each.lhs, each.rhs):
            found = diagram(side)
            assert len(names(found)) == len(wiring(side).nodes)
            assert " x ".join(each.name for each in found.cod.inside) == side.type.name


def test_texts_are_at_least_as_wide_as_in_the_widest_common_face():
    font = FT2Font(findfont("DejaVu Sans"))
    font.set_size(1000, 72)
    for letter in [*map(chr, range(32, 127)), *"×−…∂"]:
        width = font.load_char(ord(letter), flags=LoadFlags.NO_HINTING).linearHoriAdvance / 65536 / 1000
        assert width <= text_width(letter, 1.0) <= 1.6 * width


def test_types_have_pens_of_their_own_that_are_seen_on_white_and_on_black_and_differ_in_grey():
    many = [nth_pen(place) for place in range(2 * len(PENS))]
    assert len({(pen.dash, pen.width) for pen in many}) == len(many)
    for pen in PENS[1:]:
        assert contrast(pen.colour, "#ffffff") > 3
        assert contrast(pen.colour, "#000000") > 3


def contrast(one: str, two: str) -> float:
    """As WCAG 2.1 has it."""

    def luminance(colour: str) -> float:
        channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(two)))
    return (light + 0.05) / (dark + 0.05)


def test_a_gaussian_and_a_point_of_it_have_different_pens_and_the_legend_says_which():
    shown = sheet(PICTURED["vae"]())
    assert texts(shown)[-4:] == ["S(4)", "Z(2) gaussian", "Z(2)", "S(4) bernoulli"]
    legend = strokes(shown)[-4:]
    assert len({(each.colour, each.dash, each.width) for each in legend}) == 4


def test_players_are_shown_with_their_learners_and_steps():
    shown = texts(sheet(PICTURED["wgan_gp"]()))
    assert shown[shown.index("players") :][:7] == ["players", "alternating", "D", "dsc", "5 steps", "G", "gen"]
    assert "simultaneous" in texts(sheet(PICTURED["gan"]()))


@pytest.mark.parametrize("name", ["latent_offset", "complement", "refinements"])
def test_a_refinement_is_a_dashed_box_and_what_stands_for_it_on_the_same_open_wires(name):
    made = PICTURED[name]()
    drawn_ones = [each for each in made.refinements if each.before]
    for each in drawn_ones:
        before, after = before_and_after(each)
        for side in (before, after):
            outside = [part for part in side.layout.parts if part.kind == "open"]
            assert [side.wiring.nodes[part.node].outputs[0][1] for part in outside] == list(each.before.op.dom)
            assert {part.x for part in outside} <= {0.0}
            assert [part.y for part in outside] == sorted(part.y for part in outside)
            assert all(part.x > 0 for part in side.layout.parts if part.kind != "open" and outside)
        marks = before.marks(look(before), (), hole=True)
        (hole,) = [mark for mark in marks if isinstance(mark, Stroke) and closed(mark)]
        assert hole.dash
    assert sum(closed(each) and bool(each.dash) for each in strokes(sheet(made))) == len(drawn_ones)


def test_other_refinements_are_lines_of_text():
    shown = texts(sheet(PICTURED["refinements"]()))
    assert shown[shown.index("enlarge") + 1] == "x := more"
    shown = texts(sheet(PICTURED["strong_manipulator"]()))
    assert shown[shown.index("equations") + 1].startswith("putput : put(put(s, a), b) == put(s, b)")


def test_what_stands_for_a_box_keeps_the_order_of_its_wires_and_discards_what_it_does_not_read():
    made = PICTURED["refinements"]().refinements
    blind = before_and_after(made[-1])[1]
    assert len(blind.wiring.nodes) == 3
    assert sum(isinstance(mark, Dot) for mark in blind.wires(look(blind))) == 1
    nothing = before_and_after(next(each for each in made if each.text.startswith("f(")))[1]
    assert [part.kind for part in nothing.layout.parts] == ["open", "end"]


def test_an_expectation_names_its_wire_and_does_not_read_it():
    mean = PICTURED["weighed"]().equations
    found = wiring(mean["mean"].lhs)
    every, taken = (next(node for node in found.nodes if node.name == name) for name in ("every", "expected"))
    assert every.outputs[0][0] == "i"
    assert taken.note == "over i"
    assert len(taken.inputs) == 1
    nested = [node.note for node in wiring(mean["nested"].lhs).nodes if node.name == "expected"]
    assert nested == ["over j", "over i"]


def test_expectations_over_different_wires_are_different_wirings():
    y, z = every(get(s)), every(get(put(s, a)))
    term = put(put(s, y), z)
    assert not same(diagram(expected(term, over=y)), diagram(expected(term, over=z)))


def test_parts_of_a_product_are_its_wires():
    split = Learner("split", (S,), product(S, V))
    w = split(s)
    assert same(diagram(put(w[0], w[1])), X >> s_ @ drop >> markov.Box("split", s_, s_ @ v_) >> PUT)
    assert same(diagram(w[1]), X >> s_ @ drop >> markov.Box("split", s_, s_ @ v_) >> markov.Copy(s_, 0) @ v_)


def test_a_derivative_has_the_colour_of_the_learners_that_it_trains():
    made = PICTURED["wgan_gp"]()
    marks = list(sheet(made).marks)
    at = next(n for n, mark in enumerate(marks) if isinstance(mark, Label) and mark.text == "∂")
    other = next(n for n, mark in enumerate(marks) if isinstance(mark, Label) and mark.text == "dsc")
    assert (marks[at - 1].fill, marks[at - 1].strength) == (marks[other - 1].fill, marks[other - 1].strength)
    assert marks[at + 1].text == "dsc(t)"


def test_a_learned_constant_is_a_pointed_box_in_its_colour_and_a_given_one_is_plain():
    marks = list(sheet(PICTURED["constants"]()).marks)

    def outline(text: str) -> Stroke:
        return marks[next(n for n, mark in enumerate(marks) if isinstance(mark, Label) and mark.text == text) - 1]

    assert len(outline("code").steps) == len(outline("0.5").steps) == 6
    assert outline("code").fill
    assert not outline("0.5").fill
    assert outline("−1")


def test_random_boxes_have_a_little_source():
    def bars(term: Term) -> int:
        side = Side.of(term)
        return sum(isinstance(mark, Stroke) and not closed(mark) for mark in side.marks(look(side), ()))

    blur = Fixed("blur", (S,), S, body=lambda x: x)
    assert bars(noise(0.1)(s)) == bars(blur(s)) + 3
    assert [node.random for node in wiring(drawn(get(s))).nodes] == [False, False, True]


def test_long_texts_are_shortened_and_whole_in_a_title():
    made = PICTURED["long_texts"]()
    shown = sheet(made)
    assert max(map(len, texts(shown))) == 40
    root = ElementTree.fromstring(svg(shown))
    full = {
        element.find(f"{SVG}title").text
        for element in root.iter(f"{SVG}text")
        if element.find(f"{SVG}title") is not None
    }
    assert {learner.name for learner in made.learners} < full
    assert next(iter(made.equations)) in full
    assert any(each.startswith("mmd_with(gaussian(0.25") for each in full)


def test_a_deep_diagram_is_wide_and_not_tall():
    side = Side.of(PICTURED["unrolled"]().equations["recon"].lhs)
    low, high = side.layout.extent
    assert high - low < 250 < 1500 < side.layout.width
    assert side.layout.crossings == 4  # x has to reach each step across what is drawn so far


def test_hundreds_of_boxes_can_be_drawn():
    term = s
    for _ in range(600):
        term = put(term, a)
    assert Side.of(term).layout.crossings == 0


def test_another_process_draws_the_same_bytes_of_tasks_of_all_constructs(tmp_path):
    drawn_here, drawn_there = tmp_path / "here", tmp_path / "there"
    code = (
        "import sys, pathlib; from tests.unit.language.pictured import PICTURED; from pipeline.language.draw import draw\n"
        "for name in sys.argv[2:]: draw(PICTURED[name](), pathlib.Path(sys.argv[1]) / f'{name}.svg')"
    )
    chosen = ("refinements", "unrolled", "weighed", "products")
    drawn_here.mkdir()
    drawn_there.mkdir()
    for name in chosen:
        draw(PICTURED[name](), drawn_here / f"{name}.svg")
    environment = {**os.environ, "PYTHONHASHSEED": "3"}
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code, drawn_there, *chosen], check=True, env=environment, cwd=root)
    for name in chosen:
        assert (drawn_here / f"{name}.svg").read_bytes() == (drawn_there / f"{name}.svg").read_bytes()
