"""Prediction: one wire of a joint source from another."""

from torch import nn

from pipeline.language.binding import ProjectedGradient, optimise
from pipeline.language.boxes import parametric
from pipeline.language.divergence import Divergence, cross_entropy, kl, mse
from pipeline.language.sources import Dataset
from pipeline.language.task import Task, equation, task
from pipeline.language.terms import Fixed, Learner, Type, Wireable

X, Y = Type("X", (2,)), Type("Y", (3,), "categorical")
EXAMPLE, LABEL = Dataset("data", {"x": X, "y": Y})
PREDICT, STUDENT, TEACHER = (Learner(name, (X,), Y) for name in ("predict", "student", "teacher"))


def supervised(
    x: Wireable = EXAMPLE, y: Wireable = LABEL, predict: Learner = PREDICT, divergence: Divergence = cross_entropy
) -> Task:
    """Supervised learning: classification, or regression where y is real and the divergence `mse`."""
    return task(fit=equation(predict(x), y, divergence, trains=predict))


def distillation(x: Wireable = EXAMPLE, student: Learner = STUDENT, teacher: Learner = TEACHER) -> Task:
    """Distillation (Hinton et al. 2015): a student says what a teacher says, as surely as the teacher does.

    The teacher stands on the left, so that the loss is KL(teacher || student).
    """
    return task(imitate=equation(teacher(x), student(x), kl, trains=student))


ATTACK = ProjectedGradient(radius=0.3, steps=5, bounds=(-10.0, 10.0))


def adversarial_training(
    x: Wireable = EXAMPLE,
    y: Wireable = LABEL,
    predict: Learner = PREDICT,
    attack: ProjectedGradient = ATTACK,
    divergence: Divergence = cross_entropy,
) -> Task:
    """Adversarial training (Madry et al. 2018, equation 2.1): right at the worst point of a ball round each example."""
    worst = optimise(x.term, lambda t: (predict(t), y.term), divergence, attack)
    return task(robust=equation(predict(worst), y, divergence, trains=predict))


CASE, OUT = Type("C", (2,), "categorical"), Type("Y", (2,))
WHICH, INPUT, OUTPUT = Dataset("data", {"c": CASE, "x": X, "y": OUT})
NET = parametric("net", (X,), OUT, nn.Linear(2, 2, device="meta"))
HYPER = Learner("hyper", (CASE,), NET.dom[0])


def hypernetwork(
    c: Wireable = WHICH,
    x: Wireable = INPUT,
    y: Wireable = OUTPUT,
    hyper: Learner = HYPER,
    net: Fixed = NET,
    divergence: Divergence = mse,
) -> Task:
    """A hypernetwork (Ha et al. 2017): a learner gives the parameters of a network, one set for each case c.

    net: a `parametric` box, whose first wire carries its parameters.
    """
    return task(fit=equation(net(hyper(c), x), y, divergence, trains=hyper))
