"""Reasoning about tasks: their finite models, and which equations follow from which.

A *model* of a task gives each type a set that is not empty, and each learner a function of its type, such that all
equations hold for all values of their sources. On four states, two of each value, get being given:

>>> from pipeline.language import Dataset, Learner, Type, Uniform, cross_entropy, equation, mse, task
>>> S, V = Type("S", (4,)), Type("V", (2,), "categorical")
>>> (s, v), a = Dataset("x", {"s": S, "v": V}), Uniform("a", V).term
>>> get, put = Learner("get", (S,), V), Learner("put", (S, V), S)
>>> lens = task(
...     putget=equation(get(put(s, a)), a, cross_entropy, trains=put),
...     getput=equation(put(s, get(s)), s, mse, trains=put),
... )
>>> models(lens, fibres=(2, 2)).count
16
>>> undo = equation(put(put(s, a), get(s)), s, mse, trains=put)
>>> found = models(lens.with_equations(undo=undo), fibres=(2, 2))
>>> found.count
2
>>> print(next(iter(found)))
put | v0 v1
s0  | s0 s2
s1  | s1 s3
s2  | s0 s2
s3  | s1 s3
get | s0 s1 s2 s3
    | v0 v0 v1 v1

*The reading.* What a task says about tensors becomes a theory of first-order logic:

* a type is a sort, and types that differ in their encoding alone are one: a bernoulli wire of images and a real one, a
  gaussian and its mean, the two sides of an equation;
* learners are unknown functions; so are fixed boxes, inner optima and all other operations, whose meaning is not known
  here. A composite is one function, unless a part of it is applied on its own;
* a source ranges over its whole type. A joint draw of data, (s, v) ~ x, ranges over s, and v is an unknown function of
  it, the same in all draws of x: data whose labels are determined. So get(s) == v makes get this function. Named alone,
  each wire ranges over its type;
* constants are elements, different where their numbers differ;
* *without noise*: fixed boxes are read without the noise inside them, so `noise(0.1)` is the identity, and `sample`
  takes the mean; and *without doubt*: `likeliest` is the identity. An answer's notes name what was read so, and the answer
  says nothing of what noise or doubt would change. Divergences and weights do not matter: all are 0 where the sides are
  equal, up to smoothing and entropy. What compares laws of random variables (`mmd`) says nothing about single values, and is refused.

*What is proved.* `implies` searches for a contradiction between the premises and the negated conclusion, in the theory
with quantifiers (z3's E-matching). If there is one, the conclusion holds in every model: on sets of any size, for any
functions in place of the fixed boxes. So a proof is sound for whatever the networks compute, as far as the premises
hold exactly and on whole types; it says nothing about premises that hold approximately, or on data alone. A refutation
is a finite model of the premises in which the conclusion fails, found on growing sets; it may give fixed boxes a
meaning that theirs is not. The question is undecidable, and the third answer is `unknown`.

>>> putput = equation(put(put(s, a), b := Uniform("b", V).term), put(s, b), mse, trains=put)
>>> manipulation = lens.with_equations(undo=undo)
>>> print(implies(manipulation, putput, values=2))
proved (every model with |V| = 2)
>>> print(implies(manipulation, putput, values=3).verdict)
refuted

*How models are counted.* Finite sets make each place in a function's table an unknown with finitely many values. z3
first finds the values that occur in any model; rules that these settle are dropped; what then is not connected is
independent, and the numbers of solutions are multiplied (components as in Bayardo & Pehoushek 2000). z3 lists the
solutions of each component, so that one with many of them takes as long as the list is.
"""

from pipeline.language.reason.implication import Answer, Counterexample, equivalent, implies
from pipeline.language.reason.models import Model, Models, chosen_equations, models, satisfiable

__all__ = [
    "Answer",
    "Counterexample",
    "Model",
    "Models",
    "chosen_equations",
    "equivalent",
    "implies",
    "models",
    "satisfiable",
]
