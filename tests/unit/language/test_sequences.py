"""Wires of several classes side by side, such as the words of a sentence: losses, draws and models by brute force."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from pipeline.language import (
    Dataset,
    Draws,
    Fixed,
    Learner,
    TaskError,
    Type,
    Uniform,
    compile_task,
    concrete,
    constant,
    cross_entropy,
    drawn,
    equation,
    evaluate,
    every,
    kl,
    linear,
    loss,
    mmd,
    parse,
    smoothed_cross_entropy,
    straight_through,
    task,
    uniform,
)
from pipeline.language.reason import implies, models
from pipeline.language.sources import encode

T, W = 3, 4
S, V = Type("S", (T, W), "categorical"), Type("V", (2,), "categorical")
TOKENS, LABELS = torch.tensor([[0, 1, 2], [3, 3, 0], [1, 0, 3], [2, 2, 2]]), torch.tensor([0, 1, 1, 0])
ALL = torch.tensor(list(itertools.product(range(W), repeat=T)))  # every sentence


def logs(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, T, W, generator=generator, dtype=torch.float64).log_softmax(-1)


def probabilities(log_probabilities: Tensor) -> Tensor:
    """Of every sentence under one example's (T, W): (W^T,)."""
    return torch.stack([log_probabilities[range(T), sentence].sum() for sentence in ALL]).exp()


def test_cross_entropy_is_minus_the_log_probability_of_the_sentence() -> None:
    q = logs(4)
    expected = torch.stack([-q[row, range(T), TOKENS[row]].sum() for row in range(4)])
    torch.testing.assert_close(cross_entropy.each(q, encode(TOKENS, S).double(), S), expected)


def test_kl_is_that_of_the_laws_of_whole_sentences() -> None:
    p, q = logs(2, 1), logs(2, 2)
    joint = [(probabilities(one), probabilities(two)) for one, two in zip(p, q, strict=True)]
    expected = torch.stack([(one * (one / two).log()).sum() for one, two in joint])
    torch.testing.assert_close(kl.each(p, q, S), expected)
    assert float(kl.loss(p, p, S)) == 0


def test_smoothed_cross_entropy_smooths_every_word() -> None:
    q, smoothing = logs(4), 0.2
    target = (1 - smoothing) * encode(TOKENS, S).double().exp() + smoothing / W
    torch.testing.assert_close(
        smoothed_cross_entropy(smoothing).each(q, encode(TOKENS, S).double(), S), -(target * q).sum((1, 2))
    )


def test_mmd_compares_the_mean_probabilities_of_words_at_places() -> None:
    """Of the kernel <p, q> the discrepancy is the squared distance of the means."""
    p, q = logs(5, 1), logs(5, 2)
    expected = (p.exp().mean(0) - q.exp().mean(0)).square().sum()
    torch.testing.assert_close(mmd.loss(p, q, S), expected)


def test_data_are_tokens_and_boxes_receive_one_hot_words() -> None:
    source = Dataset("x", {"s": S, "v": V}).bind(TOKENS.to(torch.int16), LABELS)
    s, v = source.draw(Draws(0, 0, 4))
    assert s.shape == (4, T, W)
    assert v.shape == (4, 2)
    drawn_rows = s.exp().argmax(-1).tolist()
    assert sorted(drawn_rows) == sorted(TOKENS.tolist())
    seen = []
    box = Fixed("look", (S,), S, body=lambda value: seen.append(value) or value.clamp_min(1e-9).log())
    evaluate(box(next(iter(source))), Draws(0, 0, 2))
    assert torch.equal(seen[0].sum(-1), torch.ones(2, T))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ((TOKENS[:, :2], LABELS), r"wire s: examples of shape \(3,\) expected, \(2,\) given"),
        ((TOKENS + 1, LABELS), r"wire s: classes 0\.\.3 expected, 1\.\.4 given"),
        ((TOKENS.float(), LABELS), "wire s: class indices are expected"),
    ],
)
def test_other_data_are_refused(columns: tuple[Tensor, Tensor], words: str) -> None:
    with pytest.raises(TaskError, match=words):
        Dataset("x", {"s": S, "v": V}).bind(*columns)


def test_sources_and_constants_have_a_class_at_every_place() -> None:
    (found,) = Uniform("u", S).draw(Draws(0, 0, 4000))
    assert torch.equal(found.exp().sum(-1), torch.ones(4000, T))
    assert (found.exp().mean(0) - 1 / W).abs().max() < 0.03
    two = evaluate(constant(2, S), Draws(0, 0, 2))
    assert two.argmax(-1).tolist() == [[2] * T] * 2
    assert torch.equal(evaluate(uniform(S), Draws(0, 0, 1)), torch.full((1, T, W), -math.log(W)))
    with pytest.raises(TaskError, match="a categorical type has shape"):
        Type("S", (), "categorical")


class Free(nn.Module):
    """The same distribution of every word, whatever comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([[0.3, -0.2, 0.5, 0.0]] * T))

    def forward(self, value: Tensor) -> Tensor:
        return self.logits.expand(len(value), T, W)


def test_draws_have_the_law_of_the_wire() -> None:
    q = Learner("q", (V,), S, Free())
    v = Uniform("v", V).term
    for draw in (straight_through(1.0), drawn):
        found = evaluate(draw(q(v)), Draws(0, 0, 20_000)).exp()
        torch.testing.assert_close(found.mean(0), q.module.logits.softmax(-1), atol=0.02, rtol=0)
    soft = evaluate(concrete(0.5)(q(v)), Draws(0, 0, 8))
    torch.testing.assert_close(soft.exp().sum(-1), torch.ones(8, T))


def test_the_score_of_a_drawn_sentence_is_that_of_all_its_words() -> None:
    """The mean over all sentences of f, enumerated, has the gradient that draws have on average."""
    reward = torch.randn(T, W, generator=torch.Generator().manual_seed(3))
    q, number = Learner("q", (V,), S, Free()), Type("R")
    score = Fixed("score", (S,), number, body=lambda words: (words * reward).sum((1, 2)).square())
    made = task(up=equation(score(drawn(q(Uniform("v", V).term))), constant(1, number), linear, trains=q))
    (move,) = compile_task(made).moves
    total = torch.zeros(T, W)
    for step in range(20):
        move.backward(move.losses(Draws(0, step, 4000)))
        total += q.module.logits.grad / 20
    law = q.module.logits.log_softmax(-1)
    value = torch.stack([reward[range(T), each].sum() ** 2 for each in ALL])
    chance = torch.stack([law[range(T), each].sum() for each in ALL]).exp()
    (expected,) = torch.autograd.grad(-(chance * value).sum(), q.module.logits)
    torch.testing.assert_close(total, expected, atol=0.03, rtol=0)


def test_sentences_are_not_enumerated() -> None:
    q = Learner("q", (V,), S, Free())
    with pytest.raises(TaskError, match=r"every `q\(v\)`: a wire of one class is expected"):
        every(q(Uniform("v", V).term))


s, v = Dataset("x", {"s": S, "v": V}).bind(TOKENS, LABELS)
a = Uniform("a", V).term


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(T * W, 2)

    def forward(self, words: Tensor) -> Tensor:
        return self.layer(words.flatten(1))


class Writer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(T * W + 2, T * W)

    def forward(self, words: Tensor, value: Tensor) -> Tensor:
        return self.layer(torch.cat((words.flatten(1), value), 1)).unflatten(1, (T, W))


def manipulation(get: Learner, put: Learner):
    return task(
        classify=equation(get(s), v, cross_entropy, trains=get),
        putget=equation(get(put(s, a)), a, cross_entropy, trains=put),
        getput=equation(put(s, get(s)), s, cross_entropy, trains=put),
        undo=equation(put(put(s, a), get(s)), s, cross_entropy, trains=put),
    )


def test_compiled_and_merged_steps_compute_what_the_definition_does() -> None:
    torch.manual_seed(0)
    made = manipulation(Learner("get", (S,), V, Reader()), Learner("put", (S, V), S, Writer()))
    now = Draws(0, 0, 4)
    for merge in (False, True):
        (move,) = compile_task(made, merge=merge).moves
        found = move.losses(now)
        for name, each in made.equations.items():
            torch.testing.assert_close(found[name], loss(each, now))


def test_a_sentence_is_a_state_when_one_reasons() -> None:
    """Laws are about values: the number of models is that of pictures, whatever a state is written as."""
    made = manipulation(Learner("get", (S,), V), Learner("put", (S, V), S))
    assert models(made, fibres=(2, 2)).count == 2
    putput = equation(
        Learner("put", (S, V), S)(Learner("put", (S, V), S)(s, a), Uniform("b", V).term),
        Learner("put", (S, V), S)(s, Uniform("b", V).term),
        kl,
        trains=Learner("put", (S, V), S),
    )
    assert implies(made, putput, values=2).verdict == "proved"


def test_tasks_about_sentences_are_read_as_they_are_written() -> None:
    made = manipulation(Learner("get", (S,), V), Learner("put", (S, V), S))
    assert "S(3x4) categorical" in str(made)
    assert parse(str(made)).equations.keys() == made.equations.keys()
    assert str(parse(str(made))) == str(made)
