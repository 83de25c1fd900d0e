"""Manipulators: get reads a value from a state, put writes one into it and leaves the rest.

Each is a refinement of `lens` or `manipulation`: what solves it solves those. In all of them s and v are a state and its
value, and a is a value drawn independently of both.
"""

from pipeline.language.divergence import Divergence, cross_entropy, mse
from pipeline.language.patterns._boxes import switch
from pipeline.language.sources import Dataset, Mixture, Normal, Source, Uniform
from pipeline.language.task import Task, equation, task
from pipeline.language.terms import Composite, Learner, Type, Wireable

S, V, C = Type("S", (2,)), Type("V", (2,), "categorical"), Type("C", (2,))
STATE, VALUE = Dataset("data", {"s": S, "v": V})
ANY, OTHER = Uniform("a", V), Uniform("b", V)
GET, PUT = Learner("get", (S,), V), Learner("put", (S, V), S)


def lens(
    s: Wireable = STATE,
    v: Wireable = VALUE,
    a: Wireable = ANY,
    get: Learner | Composite = GET,
    put: Learner = PUT,
    reading: Divergence = cross_entropy,
    agreeing: Divergence = mse,
) -> Task:
    """A lens (Foster et al. 2007) with a classifier: what is written is read, writing what is there changes nothing.

    Weak: put(s, a) may be one prototype of each a other than get(s).
    """
    return task(
        classify=equation(get(s), v, reading, trains=get),
        putget=equation(get(put(s, a)), a, reading, trains=put),
        getput=equation(put(s, get(s)), s, agreeing, trains=put),
    )


def manipulation(
    s: Wireable = STATE,
    v: Wireable = VALUE,
    a: Wireable = ANY,
    get: Learner | Composite = GET,
    put: Learner = PUT,
    reading: Divergence = cross_entropy,
    agreeing: Divergence = mse,
) -> Task:
    """Manipulation (Rodatz et al. 2024, task 3.1): a lens whose writing can be undone.

    For each two values, put is then a bijection between their states.
    """
    undo = equation(put(put(s, a), get(s)), s, agreeing, trains=put)
    return lens(s, v, a, get, put, reading, agreeing).with_equations(undo=undo)


def strong_manipulation(
    s: Wireable = STATE,
    v: Wireable = VALUE,
    a: Wireable = ANY,
    b: Wireable = OTHER,
    get: Learner | Composite = GET,
    put: Learner = PUT,
    reading: Divergence = cross_entropy,
    agreeing: Divergence = mse,
    coherent: Divergence = mse,
) -> Task:
    """Strong manipulation (Rodatz et al. 2024, task 3.2 PutPut): only the last value that was written counts.

    Of two values it asks no more than `manipulation`; of three or more it does. coherent: compares two states, both of
    them computed.
    """
    putput = equation(put(put(s, a), b), put(s, b), coherent, trains=put)
    return manipulation(s, v, a, get, put, reading, agreeing).with_equations(putput=putput)


STATES = Dataset("states", {"u": S})


def wide_manipulation(
    s: Wireable = STATE,
    v: Wireable = VALUE,
    states: Source = STATES,
    a: Wireable = ANY,
    get: Learner | Composite = GET,
    put: Learner = PUT,
    share: float = 0.1,
) -> Task:
    """Manipulation of more than data: put also writes into noise, and so makes states from nothing.

    The states that are written into are enlarged by noise (Rodatz et al. 2024 draw PutGet with a source of its own).
    share: of noise among the states.
    """
    u = states.term
    plain = task(
        classify=equation(get(s), v, cross_entropy, trains=get),
        putget=equation(get(put(u, a)), a, cross_entropy, trains=put),
        getput=equation(put(u, get(u)), u, mse, trains=put),
        undo=equation(put(put(u, a), get(u)), u, mse, trains=put),
    )
    return plain.enlarge(states, by=Mixture("wide", (states, Normal("noise", u.type)), (1 - share, share)))


# -------------------------------------------------------------------------------------------------- refinements of put

COMP, REC = Learner("comp", (S,), C), Learner("rec", (V, C), S)


def complement_manipulation(
    s: Wireable = STATE,
    v: Wireable = VALUE,
    a: Wireable = ANY,
    get: Learner | Composite = GET,
    comp: Learner = COMP,
    rec: Learner = REC,
    reading: Divergence = cross_entropy,
    agreeing: Divergence = mse,
    coherent: Divergence = mse,
) -> Task:
    """Manipulation by a complement: a state is its value and the rest, comp(s), from which rec makes it.

    The equation `keep` says that the rest has nothing of the value; PutPut follows. coherent: compares two rests.
    """
    put = Learner("put", (s.term.type, v.term.type), s.term.type)
    keep = equation(comp(rec(a, comp(s))), comp(s), coherent, trains=(comp, rec))
    plain = manipulation(s, v, a, get, put, reading, agreeing)
    return plain.fill(put, lambda s, v: rec(v, comp(s))).with_equations(keep=keep)


DEC, OFFSET = Learner("dec", (C,), S), Learner("offset", (V,), C)


def offset_manipulation(
    s: Wireable = STATE,
    v: Wireable = VALUE,
    a: Wireable = ANY,
    get: Learner | Composite = GET,
    comp: Learner = COMP,
    dec: Learner = DEC,
    offset: Learner = OFFSET,
    reading: Divergence = cross_entropy,
    agreeing: Divergence = mse,
    coherent: Divergence = mse,
) -> Task:
    """Manipulation by a latent offset (Rodatz et al. 2024): a learned vector for each value is added to a code.

    First reading: the code comp(s) has nothing of the value, so dec(comp(s) + offset(v)) steers it linearly.
    """
    rec = Learner("rec", (v.term.type, comp.cod), s.term.type)
    complement = complement_manipulation(s, v, a, get, comp, rec, reading, agreeing, coherent)
    return complement.fill(rec, lambda v, c: dec(c + offset(v)))


def offset_autoencoder(
    s: Wireable = STATE,
    v: Wireable = VALUE,
    a: Wireable = ANY,
    get: Learner | Composite = GET,
    comp: Learner = COMP,
    dec: Learner = DEC,
    offset: Learner = OFFSET,
    reading: Divergence = cross_entropy,
    agreeing: Divergence = mse,
    coherent: Divergence = mse,
) -> Task:
    """Manipulation by a latent offset, second reading: the code is also that of an autoencoder.

    Then comp(s) tells the value as well, and an offset has to change nothing on states that have its value already.
    """
    recon = equation(dec(comp(s)), s, agreeing, trains=(comp, dec))
    first = offset_manipulation(s, v, a, get, comp, dec, offset, reading, agreeing, coherent)
    return first.with_equations(recon=recon)


TO_X, TO_Y = Learner("to_x", (S,), S), Learner("to_y", (S,), S)


def cyclegan_manipulation(
    s: Wireable = STATE,
    v: Wireable = VALUE,
    a: Wireable = ANY,
    get: Learner | Composite = GET,
    writers: tuple[Learner, ...] = (TO_X, TO_Y),
    reading: Divergence = cross_entropy,
    agreeing: Divergence = mse,
) -> Task:
    """CycleGAN (Zhu et al. 2017) as a manipulator: put leaves a state that has the value, else applies its writer.

    GetPut holds by itself, Undo is both cycle equations, and PutGet says that get, which is no adversary, finds what
    was written to be of the other kind.
    """
    S, V = s.term.type, v.term.type
    put, choice = Learner("put", (S, V), S), switch(V, S)
    plain = manipulation(s, v, a, get, put, reading, agreeing)
    return plain.fill(put, lambda s, v: choice(get(s), v, s, *(write(s) for write in writers)))
