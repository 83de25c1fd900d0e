"""Manipulators: on finite states, where solutions can be counted, and on points of two kinds."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from patterns.small import Table, affine, mlp, table, value
from pipeline.language import (
    Dataset,
    Draws,
    Learner,
    Normal,
    Task,
    Term,
    Type,
    Uniform,
    cross_entropy,
    kl,
    loss,
    smoothed_cross_entropy,
)
from pipeline.language.fitting import fit
from pipeline.language.patterns._boxes import switch
from pipeline.language.patterns.manipulators import (
    complement_manipulation,
    cyclegan_manipulation,
    lens,
    manipulation,
    offset_autoencoder,
    offset_manipulation,
    strong_manipulation,
    wide_manipulation,
)
from pipeline.language.patterns.prediction import supervised

SURE = 40.0  # the log-odds of a table that is as good as a function

# ------------------------------------------------------------------------------------------------------ finite states


class World:
    """States 0..n-1, whose values come in fibres of these sizes, and all ways to draw a state and two values."""

    def __init__(self, *fibres: int) -> None:
        self.of = [v for v, size in enumerate(fibres) for _ in range(size)]
        states, values = len(self.of), len(fibres)
        self.S, self.V = Type("S", (states,), "categorical"), Type("V", (values,), "categorical")
        self.rows = list(itertools.product(range(states), range(values), range(values)))
        s, a, b = torch.tensor(self.rows).T
        types = {"s": self.S, "v": self.V, "a": self.V, "b": self.V}
        self.s, self.v, self.a, self.b = Dataset("all", types).bind(s, torch.tensor(self.of)[s], a, b)
        self.get = Learner("get", (self.S,), self.V, hard(torch.tensor(self.of), values))
        self.put = table("put", (self.S, self.V), self.S)

    def lenses(self) -> Iterator[Tensor]:
        """All tables put[s, a] that satisfy PutGet and GetPut."""
        fibres = [[s for s, v in enumerate(self.of) if v == value] for value in range(len(set(self.of)))]
        free = [(s, a) for s in range(len(self.of)) for a in range(len(fibres)) if a != self.of[s]]
        for choice in itertools.product(*(fibres[a] for _, a in free)):
            put = torch.arange(len(self.of)).unsqueeze(1).repeat(1, len(fibres))
            for (s, a), t in zip(free, choice, strict=True):
                put[s, a] = t
            yield put

    def solutions(self, task: Task) -> int:
        """How many lenses solve the task, get given."""
        return sum(self.losses(task, put) < 1e-6 for put in self.lenses())

    @torch.no_grad()
    def losses(self, task: Task, put: Tensor) -> float:
        self.put.module.values.copy_(hard(put, len(self.of)).values)
        return self.total(task)

    @torch.no_grad()
    def total(self, task: Task) -> float:
        every = Draws(0, 0, len(self.rows))
        return sum(float(loss(each, every)) for each in task.frozen(self.get).equations.values())


def hard(values: Tensor, count: int) -> Table:
    """A table that is a function."""
    made = Table((), Type("", (count,), "categorical"))
    made.values = torch.nn.Parameter(SURE * torch.nn.functional.one_hot(values, count).float())
    return made


def plain(world: World) -> Task:
    return manipulation(world.s, world.v, world.a, world.get, world.put, agreeing=cross_entropy)


def strong(world: World) -> Task:
    wires = world.s, world.v, world.a, world.b
    return strong_manipulation(*wires, world.get, world.put, agreeing=cross_entropy, coherent=kl)


def test_of_the_lenses_only_those_that_can_be_undone_are_manipulators(of, measured) -> None:
    counts = []
    for fibres in of([(2, 2), (2, 3)], [(2, 2), (2, 3), (2, 2, 2)]):
        world = World(*fibres)
        lenses = sum(1 for _ in world.lenses())
        simple = lens(world.s, world.v, world.a, world.get, world.put, agreeing=cross_entropy)
        counts.append((lenses, world.solutions(simple), world.solutions(plain(world)), world.solutions(strong(world))))
    shown = "; ".join(f"{a} lenses, {c} manipulators, {d} strong ones" for a, _, c, d in counts)
    measured("strong_manipulation", f"fibres (2, 2), (2, 3), (2, 2, 2): {shown}")
    assert counts == [(16, 16, 2, 2), (72, 72, 0, 0), (4096, 4096, 8, 4)][: len(counts)]


def trained(world: World, task: Task, steps: int, tries: int) -> float:
    """The least loss of several trainings from random tables."""
    found = []
    for seed in range(tries):
        torch.manual_seed(seed)
        for learner in task.frozen(world.get).trained:
            torch.nn.init.normal_(learner.module.values)
        fit(task.frozen(world.get), steps, len(world.rows), lr=0.2)
        found.append(world.total(task))
        if found[-1] < 0.05:
            break
    return min(found)


def test_tables_learn_to_manipulate_where_fibres_are_equal_and_cannot_where_they_are_not(of, measured) -> None:
    even, uneven = World(2, 2), World(2, 3)
    reached = trained(even, plain(even), of(150, 1000), of(4, 10))
    put = even.put.module.values.detach().argmax(-1)
    stuck = trained(uneven, plain(uneven), of(150, 1000), of(2, 10))
    best = math.log(2) / 5  # of three states with two images, two of every ten writings can only be guessed back
    measured(
        "manipulation",
        f"tables: loss {reached:.4f} on fibres (2, 2), {stuck:.4f} on (2, 3), where it cannot be below {best:.4f}",
    )
    assert reached < of(0.05, 0.01)
    assert even.losses(plain(even), put) < 1e-6
    assert best < stuck < best + of(0.02, 0.005)


def test_a_complement_is_a_strong_manipulator(of, measured) -> None:
    world = World(2, 2, 2)
    C = Type("C", (2,), "categorical")
    comp, rec = table("comp", (world.S,), C), table("rec", (world.V, C), world.S)
    wires = world.s, world.v, world.a
    made = complement_manipulation(*wires, world.get, comp, rec, agreeing=cross_entropy, coherent=kl)
    reached = trained(world, made, of(200, 1000), of(8, 20))
    rest = comp.module.values.detach().argmax(-1)
    put = rec.module.values.detach().argmax(-1)[:, rest].T
    measured(
        "complement_manipulation",
        f"tables on fibres (2, 2, 2): loss {reached:.4f}, and the put that they make is one of the four strong ones",
    )
    assert reached < of(0.05, 0.01)
    assert world.losses(strong(world), put) < 1e-6


def test_what_a_refinement_can_do_its_plain_task_can_do_as_well(of) -> None:
    """So the least loss of a refinement is not below that of the plain task: random tables, all of them uncertain."""
    world, C = World(2, 3), Type("C", (3,), "categorical")
    comp, rec = table("comp", (world.S,), C), table("rec", (world.V, C), world.S)
    wires = world.s, world.v, world.a
    filled = complement_manipulation(*wires, world.get, comp, rec, agreeing=cross_entropy, coherent=kl)
    assert [each.kind for each in filled.refinements] == ["equations", "fill", "equations"]
    for _ in range(of(5, 100)):
        for learner in (comp, rec):
            torch.nn.init.normal_(learner.module.values, std=3)
        with torch.no_grad():
            law = torch.einsum("sc, vct -> svt", comp.module.values.softmax(-1), rec.module.values.softmax(-1))
            world.put.module.values.copy_(law.log())
            every = Draws(0, 0, len(world.rows))
            for name, each in plain(world).frozen(world.get).equations.items():
                torch.testing.assert_close(loss(filled.equations[name], every), loss(each, every), rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------------------------------------------- points of two kinds

S, V, C = Type("S", (2,)), Type("V", (2,), "categorical"), Type("C", (2,))
CALM = smoothed_cross_entropy(0.05)


def two_bands(rows: int = 500) -> tuple[Tensor, Tensor]:
    """Points that are of one kind below 0 and of the other above, spread alike from left to right."""
    which = torch.arange(rows) % 2
    return torch.stack((torch.randn(rows), 2.0 * which - 1 + 0.2 * torch.randn(rows)), 1), which


class Bands:
    """Two kinds of points, and a get that tells them apart."""

    def __init__(self) -> None:
        points, which = two_bands()
        self.s, self.v, self.a = Dataset("data", {"s": S, "v": V, "a": V}).bind(points, which, torch.randint(2, (500,)))
        self.get = affine("get", (S,), V)
        fit(supervised(self.s, self.v, self.get, CALM), 300, 500, lr=0.05)

    def measure(self, put: Callable[[Term, Term], Term]) -> tuple[float, float, float]:
        """How often what was written is there, how far undoing misses, and how well the place from left to right is
        kept (a correlation)."""
        written = put(self.s, self.a)
        s, a, new = value(self.s, 500), value(self.a, 500).argmax(1), value(written, 500)
        right = float(((new[:, 1] > 0).long() == a).float().mean())
        missed = float((value(put(written, self.get(self.s)), 500) - s).square().mean().sqrt())
        kept = float(torch.corrcoef(torch.stack((s[:, 0], new[:, 0])))[0, 1].abs())
        return right, missed, kept


def edits(name: str, task: Task, put: Callable[[Term, Term], Term], bands: Bands, of, measured) -> tuple[float, float]:
    """Train it, and say what it does: how well it writes, and how far undoing misses."""
    fit(task.frozen(bands.get), of(500, 3000), 250, lr=0.01)
    right, missed, kept = bands.measure(put)
    measured(
        name,
        f"two bands of points: {right:.3f} written, undone within {missed:.3f}, place kept with correlation {kept:.2f}",
    )
    assert right > 0.97
    return missed, kept


def test_a_lens_moves_points_to_the_other_band(of, measured) -> None:
    bands, put = Bands(), mlp("put", (S, V), S)
    edits("lens", lens(bands.s, bands.v, bands.a, bands.get, put, CALM), put, bands, of, measured)


def test_a_manipulator_moves_points_to_the_other_band_and_back(of, measured) -> None:
    bands, put = Bands(), mlp("put", (S, V), S)
    task = manipulation(bands.s, bands.v, bands.a, bands.get, put, CALM)
    missed, kept = edits("manipulation", task, put, bands, of, measured)
    assert missed < of(0.15, 0.1)
    assert kept > 0.9


def test_an_offset_of_the_code_moves_points_to_the_other_band_and_back(of, measured) -> None:
    bands = Bands()
    comp, dec, offset = mlp("comp", (S,), C, 16), mlp("dec", (C,), S, 16), affine("offset", (V,), C)
    task = offset_manipulation(bands.s, bands.v, bands.a, bands.get, comp, dec, offset, CALM)
    missed, _ = edits("offset_manipulation", task, lambda s, a: dec(comp(s) + offset(a)), bands, of, measured)
    assert missed < of(0.2, 0.12)


def test_an_offset_in_an_autoencoder_writes_too_but_undoes_less_well(of, measured) -> None:
    bands = Bands()
    comp, dec, offset = mlp("comp", (S,), C, 16), mlp("dec", (C,), S, 16), affine("offset", (V,), C)
    task = offset_autoencoder(bands.s, bands.v, bands.a, bands.get, comp, dec, offset, CALM)
    missed, _ = edits("offset_autoencoder", task, lambda s, a: dec(comp(s) + offset(a)), bands, of, measured)
    assert missed < of(0.3, 0.25)


def test_writers_of_a_cyclegan_move_points_to_the_other_band_and_back(of, measured) -> None:
    bands, choice = Bands(), switch(V, S)
    one, two = affine("to_x", (S,), S), affine("to_y", (S,), S)
    task = cyclegan_manipulation(bands.s, bands.v, bands.a, bands.get, (one, two), CALM)

    def put(s: Term, a: Term) -> Term:
        return choice(bands.get(s), a, s, one(s), two(s))

    missed, _ = edits("cyclegan_manipulation", task, put, bands, of, measured)
    assert missed < of(0.2, 0.15)
    assert value(task.equations["getput"].lhs, 500).equal(value(bands.s, 500))


def test_a_manipulator_of_more_states_writes_into_noise_too(of, measured) -> None:
    bands, put = Bands(), mlp("put", (S, V), S)
    states = Dataset("states", {"u": S}).bind(two_bands()[0])
    a = Uniform("a", V)
    made = wide_manipulation(bands.s, bands.v, states, a, bands.get, put, share=0.3)
    calm = {name: replace(each, divergence=CALM) for name, each in made.equations.items() if name == "putget"}
    edits("wide_manipulation", made.with_equations(**calm), put, bands, of, measured)
    draws = Draws(seed=1, step=0, batch=2000)
    noise, wanted = Normal("noise", S).draw(draws)[0], a.draw(draws)[0]
    with torch.no_grad():
        right = float(((put.apply(noise, wanted)[:, 1] > 0).long() == wanted.argmax(1)).float().mean())
    measured("wide_manipulation", f"two bands of points, and noise among them: {right:.3f} written into noise")
    assert right > 0.97
