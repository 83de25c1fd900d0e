"""Tasks that have all that can be drawn in them, for the tests of drawing."""

from collections.abc import Callable

from torch import nn

from pipeline.language import (
    Composite,
    Dataset,
    Fixed,
    Learner,
    Mixture,
    Normal,
    Player,
    ProjectedGradient,
    R,
    Ramp,
    Task,
    Type,
    Uniform,
    bernoulli_nll,
    concrete,
    constant,
    cross_entropy,
    derivative,
    drawn,
    equation,
    every,
    expected,
    gaussian,
    kl,
    l1,
    likeliest,
    linear,
    log_mean_exp,
    mmd,
    mmd_with,
    mse,
    noise,
    optimise,
    pair,
    parametric,
    product,
    repeated,
    reweighted,
    sample,
    standard_normal,
    stop_gradient,
    straight_through,
    task,
    uniform,
)

S, V, Z, C = Type("S", (4,)), Type("V", (3,), "categorical"), Type("Z", (2,)), Type("C", (8,))
Q, P, B = Type("Z", (2,), "gaussian"), Type("S", (4,), "bernoulli"), Type("R", (), "bernoulli")
x, a, b = Dataset("x", {"s": S, "v": V}), Uniform("a", V), Uniform("b", V)
s, v = x
i = Dataset("i", {"i": S}).term
z = Normal("z", Z).term
get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
enc, dec = Learner("enc", (S,), Q), Learner("dec", (Z,), P)
gen, critic = Learner("gen", (Z,), S), Learner("dsc", (S,), R)
comp, rec = Learner("comp", (S,), C), Learner("rec", (V, C), S)
norm = Fixed("norm", (S,), R, body=lambda each: each.norm(dim=1))


def vae() -> Task:
    return task(
        recon=equation(dec(sample(enc(i))), i, bernoulli_nll, trains=(enc, dec)),
        prior=equation(enc(i), standard_normal(Q), kl, trains=enc, weight=4),
    )


def manipulator() -> Task:
    return task(
        classify=equation(get(s), v, cross_entropy, trains=get),
        putget=equation(get(put(s, a)), a, cross_entropy, trains=put),
        getput=equation(put(s, get(s)), s, mse, trains=put, weight=20),
        undo=equation(put(put(s, a), get(s)), s, mse, trains=put, weight=20),
    )


def strong_manipulator() -> Task:
    return manipulator().with_equations(putput=equation(put(put(s, a), b), put(s, b), mse, trains=put))


def complement() -> Task:
    filled = manipulator().fill(put, lambda s, a: rec(a, comp(s)))
    return filled.with_equations(keep=equation(comp(rec(a, comp(s))), comp(s), mse, trains=(comp, rec)))


def latent_offset() -> Task:
    e, d, p = Learner("enc", (S,), C), Learner("dec", (C,), S), Learner("put'", (V,), C)
    return manipulator().fill(put, lambda s, a: d(e(s) + p(a)))


def refinements() -> Task:
    """All kinds, and what stands for a box may be filled again, be a wire, have no wire, or leave one unread."""
    reader, f = Learner("reader", (S,), V), Learner("f", (S,), S)
    code, other, blind = Learner("code", (), V), Learner("other", (), V), Learner("blind", (S,), S)
    first, second = Learner("first", (S,), Z), Learner("second", (Z,), C)
    plain = task(
        read=equation(reader(s), v, cross_entropy, trains=reader),
        getput=equation(put(s, get(s)), s, mse, trains=put),
        fixed=equation(put(f(s), code()), blind(s), mse, trains=(put, code)),
    )
    filled = plain.tie(reader, get).fill(put, lambda s, a: rec(a, comp(s))).fill(comp, lambda s: second(first(s)))
    more = (
        filled.fill(f, lambda s: s).fill(code, lambda: other()).enlarge(x, Mixture("more", (x, x.again()), (0.5, 0.5)))
    )
    unread = task(e=equation(put(s, a), s, mse, trains=put)).fill(put, lambda s, a: blind(s))
    return Task(more.equations, refinements=more.refinements + unread.refinements)


def gan() -> Task:
    dsc = Learner("dsc", (S,), B)
    return task(
        players=(Player("D", (dsc,)), Player("G", (gen,))),
        real=equation(dsc(i), constant(1), bernoulli_nll, trains=dsc),
        fake=equation(dsc(gen(z)), constant(0), bernoulli_nll, trains=dsc),
        fool=equation(dsc(gen(z)), constant(1), bernoulli_nll, trains=gen),
    )


def wgan_gp() -> Task:
    mix = Fixed("mix", (S, S, R), S, body=lambda one, two, share: one)
    between = mix(i, gen(z), Uniform("u", R))
    return task(
        players=(Player("D", (critic,), steps=5), Player("G", (gen,))),
        play="alternating",
        real=equation(critic(i), constant(1), linear, trains=critic),
        fake=equation(critic(gen(z)), constant(-1), linear, trains=critic),
        fool=equation(critic(gen(z)), constant(1), linear, trains=gen),
        lipschitz=equation(norm(derivative(critic, between)), constant(1), mse, trains=critic, weight=10),
    )


def m2() -> Task:
    q_y, q_z, dec = Learner("q_y", (S,), V), Learner("q_z", (S, V), Q), Learner("dec", (Z, V), P)
    u = Dataset("u", {"u": S}).term
    y = every(q_y(u))
    return task(
        recon=equation(dec(sample(q_z(s, v)), v), s, bernoulli_nll, trains=(q_z, dec)),
        prior=equation(q_z(s, v), standard_normal(Q), kl, trains=q_z),
        unlabelled=equation(dec(sample(q_z(u, y)), y), u, bernoulli_nll, trains=(q_y, q_z, dec)),
        unlabelled_prior=equation(q_z(u, y), standard_normal(Q), kl, trains=(q_y, q_z)),
        entropy=equation(q_y(u), uniform(V), kl, trains=q_y),
        classify=equation(q_y(s), v, cross_entropy, trains=q_y, weight=Ramp(0, 50, 0.1, 0.9)),
    )


def iwae() -> Task:
    k = repeated(8)(i)
    q = enc(k)
    log_weight = -bernoulli_nll(dec(sample(q)), k) - kl(q, standard_normal(Q))
    return task(bound=equation(log_mean_exp(log_weight, over=k), constant(1), linear, trains=(enc, dec)))


def unrolled(steps: int = 4) -> Task:
    """A recurrent VAE: the same learners at each step, and states that several of them read."""
    H = Type("H", (16,))
    read, move = Learner("enc", (S, C, H), Q), Learner("dec", (Z, H), H)
    add, prior, out = Learner("write", (H,), C), Learner("prior", (H,), Q), Learner("out", (C,), P)
    start, blank = Learner("h0", (), H), Learner("c0", (), C)
    h, c = start(), blank()
    priors = {}
    for step in range(1, steps + 1):
        q = read(i, c, h)
        priors[f"prior_{step}"] = equation(q, prior(h), kl, trains=(read, prior))
        h = move(sample(q), h)
        c = c + add(h)
    everything = (read, move, add, out, start, blank)
    return task(recon=equation(out(c), i, bernoulli_nll, trains=everything), **priors)


def recurrent(steps: int = 5) -> Task:
    H = Type("H", (16,))
    cell, start, out = Learner("cell", (H, S), H), Learner("h0", (), H), Learner("out", (H,), V)
    *inputs, label = Dataset("x", {**{f"s{step}": S for step in range(steps)}, "v": V})
    h, total = start(), start()
    for each in inputs:
        h = cell(h, each)
        total = total + h
    return task(read=equation(out(total), label, cross_entropy, trains=(cell, start, out)))


def value_learning() -> Task:
    A = Type("A", (2,), "categorical")
    now, action, reward, then = Dataset("m", {"s": S, "a": A, "r": R, "s'": S})
    q, pi = Learner("Q", (S, A), R), Learner("pi", (S,), A)
    return task(
        players=(Player("critic", (q,)), Player("actor", (pi,))),
        value=equation(q(now, action), stop_gradient(reward + 0.9 * q(then, pi(then))), mse, trains=q),
        policy=equation(q(now, pi(now)), constant(1), linear, trains=pi),
    )


def byol() -> Task:
    online, target, pred = Learner("enc", (S,), Z), Learner("target", (S,), Z), Learner("pred", (Z,), Z)
    seen, other = noise(0.1)(i), noise(0.2)(i)
    return task(agree=equation(pred(online(seen)), stop_gradient(target(other)), mse, trains=(pred, online)))


def energy() -> Task:
    e, d = Learner("e", (S,), Z), Learner("d", (Z,), S)
    again = d(e(i))
    return task(energy=equation(0.5 * mse(i, again) + mse(e(i), e(again)), constant(0), mse, trains=(e, d)))


def cycles() -> Task:
    there, back = Learner("G", (S,), C), Learner("F", (C,), S)
    y = Dataset("y", {"y": C}).term
    return task(
        cycle_x=equation(back(there(i)), i, l1, trains=(there, back)),
        cycle_y=equation(there(back(y)), y, l1, trains=(there, back)),
    )


def hypernetwork() -> Task:
    f = parametric("f", (Z,), Z, nn.Linear(2, 2))
    make, judge = Learner("G", (Z,), f.dom[0]), Learner("D", (Z, Z), R)
    h = Dataset("h", {"h": Z}).term
    return task(real=equation(judge(h, f(make(z), h)), constant(1), linear, trains=(make, judge)))


def robust() -> Task:
    features, head = Learner("features", (S,), Z), Learner("head", (Z,), V)
    read = Composite("read", features, head)
    attack = ProjectedGradient(1.0, 2)
    worst = optimise(s, lambda t: (read(t), v), cross_entropy, attack)
    inner = lambda t: (read(t + optimise(t, lambda u: (read(u), v), cross_entropy, attack)), v)  # noqa: E731
    best = optimise(s, inner, cross_entropy, ProjectedGradient(1.0, 2, maximise=False))
    return task(
        worst=equation(read(worst), v, cross_entropy, trains=read),
        best=equation(read(best), v, cross_entropy, trains=read, weight=Ramp(0, 5)),
    )


def weighed() -> Task:
    """All wires of several values, and expectations over them, one within another too."""
    w = Learner("w", (S,), R)
    y = every(get(s))
    outer = put(s, y)
    second = every(get(outer))
    both = pair(s, v)
    copies = repeated(4)(both)
    trains = (get, put)
    return task(
        mean=equation(expected(put(s, y), over=y), s, mse, trains=trains),
        nested=equation(expected(expected(put(outer, second), over=second), over=y), s, mse, trains=trains),
        score=equation(put(s, drawn(get(s))), s, mse, trains=trains),
        importance=equation(put(reweighted(s, stop_gradient(w(s))), a), s, mse, trains=put),
        relaxed=equation(put(s, concrete(0.5)(get(s))), s, mse, trains=trains),
        hard=equation(put(s, straight_through(0.5)(get(s))), s, mse, trains=trains),
        decided=equation(put(s, likeliest(get(s))), s, mse, trains=put),
        copies=equation(put(copies[0], copies[1]), s, mse, trains=put),
        unread=equation(expected(put(s, v), over=y), s, mse, trains=put),
        frozen=equation(put(*stop_gradient(both)), s, mse, trains=put),
    )


def products() -> Task:
    split, join = Learner("split", (S,), product(S, V)), Learner("join", (product(S, V),), S)
    w = split(s)
    return task(
        whole=equation(join(w), s, mse, trains=(split, join)),
        parts=equation(put(w[0], w[1]), s, mse, trains=(split, put)),
        one=equation(w[1], v, cross_entropy, trains=split),
        law=equation(pair(w, s), pair(pair(s, v), s), mmd, trains=split),
        signs=equation(put(w[0] * s - w[0], v), s, mse, trains=(split, put)),
    )


def derivatives() -> Task:
    encode = Learner("e", (S,), Z)
    contracted = derivative(lambda t: gen(encode(t)), i, along=Normal("w", S).term)
    deep = derivative(lambda t: critic(t + 0.5 * derivative(lambda u: critic(u * t), t)), i)
    return task(
        contract=equation(norm(contracted), constant(0), mse, trains=(gen, encode)),
        deep=equation(norm(deep), constant(0), mse, trains=critic),
    )


def constants() -> Task:
    code = Learner("code", (), Z)
    return task(
        learned=equation(gen(code()), s, mse, trains=(code, gen)),
        moved=equation(gen(code() + z), gen(-1 * code()), mse, trains=(code, gen)),
        given=equation(put(s, constant(2, V)), constant(0.5, S), mse, trains=put),
        class_=equation(put(s, uniform(V)), constant(-1, S), mse, trains=put),
    )


def long_texts() -> Task:
    f = Learner("the_very_long_name_of_a_learner_that_somebody_found_descriptive", (S,), S)
    g = Learner("another_rather_long_name_for_a_decoder_of_images", (S, V), S)
    wire = Dataset(
        "the images of the second experiment, without labels", {"image_of_the_second_camera_at_night": S}
    ).term
    many = mmd_with(gaussian(0.25, 0.5, 1.0, 2.0, 4.0, 8.0))
    return task(
        an_equation_with_a_very_long_name_that_goes_on_and_on=equation(g(f(wire), a), wire, many, trains=(f, g)),
        short=equation(f(wire), wire, mse, trains=f),
    )


def many_types() -> Task:
    """More types and more learners than there are colours."""
    types = [Type(f"T{place}", (place + 1,)) for place in range(12)]
    levels = [Learner(f"level_{place}", (types[place],), types[place + 1]) for place in range(11)]
    join = Learner("join", tuple(types[1:]), types[0])
    start = h = Dataset("data", {"t": types[0]}).term
    heights = []
    for level in levels:
        h = level(h)
        heights.append(h)
    return task(all=equation(join(*heights), start, mse, trains=(*levels, join)))


PICTURED: dict[str, Callable[[], Task]] = {
    each.__name__: each
    for each in (
        vae,
        manipulator,
        strong_manipulator,
        complement,
        latent_offset,
        refinements,
        gan,
        wgan_gp,
        m2,
        iwae,
        unrolled,
        recurrent,
        value_learning,
        byol,
        energy,
        cycles,
        hypernetwork,
        robust,
        weighed,
        products,
        derivatives,
        constants,
        long_texts,
        many_types,
    )
}
