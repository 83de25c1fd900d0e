"""Self-supervision: two views of the same thing have much in common.

A view is a function of the thing and of noise; two views of it have noise of their own.
"""

from collections.abc import Callable

from pipeline.language.boxes import stop_gradient
from pipeline.language.divergence import Divergence, info_nce, mse
from pipeline.language.patterns._boxes import unit
from pipeline.language.sources import Dataset, Normal, Source
from pipeline.language.task import Task, equation, task
from pipeline.language.terms import Learner, Term, Type, Wireable

X, H, Z = Type("X", (2,)), Type("H", (8,)), Type("Z", (4,))
POINT, NOISE = Dataset("data", {"x": X}).term, Normal("e", X)
ENC, HEAD, PRED = Learner("enc", (X,), H), Learner("head", (H,), Z), Learner("pred", (Z,), Z)
COSINE = info_nce(0.1)
View = Callable[[Term, Term], Term]


def noisy(x: Term, e: Term) -> Term:
    """The plainest view: x with a little noise."""
    return x + 0.1 * e


def contrastive(
    x: Wireable = POINT,
    e: Source = NOISE,
    enc: Learner = ENC,
    head: Learner = HEAD,
    view: View = noisy,
    divergence: Divergence = COSINE,
) -> Task:
    """Contrastive learning (Chen et al. 2020, SimCLR): a view is found among the batch by the other view of its thing.

    enc: gives the representation; head: is for the comparison only.
    """
    one, two = (head(enc(view(x.term, each.term))) for each in (e, e.again()))
    return task(agree=equation(one, two, divergence, trains=(enc, head)))


TOWER = Learner("tower", (X,), H)


def siamese(
    x: Wireable = POINT,
    e: Source = NOISE,
    enc: Learner = ENC,
    head: Learner = HEAD,
    tower: Learner = TOWER,
    view: View = noisy,
    divergence: Divergence = COSINE,
) -> Task:
    """Siamese networks (Bromley et al. 1994): two towers that see a view each, refined to one: `contrastive` again."""
    one, two = (view(x.term, each.term) for each in (e, e.again()))
    apart = task(agree=equation(head(enc(one)), head(tower(two)), divergence, trains=(enc, tower, head)))
    return apart.tie(tower, to=enc)


def simsiam(
    x: Wireable = POINT,
    e: Source = NOISE,
    enc: Learner = ENC,
    head: Learner = HEAD,
    pred: Learner = PRED,
    view: View = noisy,
) -> Task:
    """SimSiam (Chen & He 2021, algorithm 1): what one view gives is predicted from the other, which is held constant.

    It is BYOL (Grill et al. 2020) without its slow target: an average of past weights is nothing that an equation asks.
    """
    one, two = (head(enc(view(x.term, each.term))) for each in (e, e.again()))
    direction = unit(one.type)
    return task(
        forth=equation(direction(pred(one)), direction(stop_gradient(two)), mse, trains=(enc, head, pred)),
        back=equation(direction(pred(two)), direction(stop_gradient(one)), mse, trains=(enc, head, pred)),
    )
