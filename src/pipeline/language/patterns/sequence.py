"""Sequences: each item from those before it."""

from collections.abc import Iterable

from pipeline.language.divergence import cross_entropy
from pipeline.language.sources import Dataset
from pipeline.language.task import Equation, Task, equation
from pipeline.language.terms import Learner, Term, Type

V, H = Type("V", (3,), "categorical"), Type("H", (8,))
TEXT = Dataset("text", {"a": V, "b": V, "c": V, "d": V})
START, READ, SAY = Learner("start", (), H), Learner("read", (H, V), H), Learner("say", (H,), V)


def language_model(
    words: Iterable[Term] = TEXT, start: Learner = START, read: Learner = READ, say: Learner = SAY
) -> Task:
    """A recurrent language model (Bengio et al. 2003, Mikolov et al. 2010): the next word from those before.

    words: one wire for each position; start: the state before the first word; read: the state after one more. The sum
    of the losses is minus the log-likelihood of a text.
    """
    made: dict[str, Equation] = {}
    state = start()
    for position, word in enumerate(words, start=1):
        trains = (start, read, say) if position > 1 else (start, say)
        made[f"word_{position}"] = equation(say(state), word, cross_entropy, trains=trains)
        state = read(state, word)
    return Task(made)
