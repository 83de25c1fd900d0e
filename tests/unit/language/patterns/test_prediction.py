"""Prediction, trained to conditional laws, teachers and robust boundaries that are known."""

import math

import torch
from torch import Tensor, nn

from patterns.small import Net, affine, mlp, table
from pipeline.language import Dataset, Learner, ProjectedGradient, Type, kl, mse, parametric
from pipeline.language.fitting import fit
from pipeline.language.patterns.prediction import adversarial_training, distillation, hypernetwork, supervised

X, V = Type("X", (2,)), Type("V", (2,), "categorical")


def test_a_classifier_says_how_often_each_class_occurs(of, measured) -> None:
    """On a table of 3 inputs and 3 classes with whole counts, the loss is the conditional entropy."""
    S, Y = Type("S", (3,), "categorical"), Type("Y", (3,), "categorical")
    counts = torch.tensor([[6, 1, 1], [2, 4, 2], [0, 1, 7]])
    rows = [(s, y) for s in range(3) for y in range(3) for _ in range(int(counts[s, y]))]
    x, y = Dataset("data", {"x": S, "y": Y}).bind(*torch.tensor(rows).T)
    predict = table("predict", (S,), Y)
    losses = fit(supervised(x, y, predict), of(300, 2000), len(rows), lr=0.1)
    true = counts / counts.sum(1, keepdim=True)
    entropy = float(torch.special.entr(true).sum(1).mean())
    with torch.no_grad():
        error = float((predict.apply(torch.eye(3).log()).exp() - true).abs().max())
    measured(
        "supervised",
        f"loss {float(losses['fit'][-1]):.4f} nats, conditional entropy {entropy:.4f}; probabilities within {error:.4f}",
    )
    assert error < of(0.01, 0.003)
    assert entropy - 1e-5 < losses["fit"][-1] < entropy + of(0.005, 0.001)


def test_a_student_becomes_its_teacher(of, measured) -> None:
    Y = Type("Y", (3,), "categorical")
    x = Dataset("data", {"x": X}).bind(torch.randn(500, 2)).term
    teacher, student = mlp("teacher", (X,), Y, 8), mlp("student", (X,), Y, 32)
    teacher.module.layers[-1].weight.data.mul_(4)
    losses = fit(distillation(x, student, teacher), of(400, 3000), 250, lr=0.02)
    fresh = torch.randn(1000, 2)
    with torch.no_grad():
        said = [each.apply(fresh) for each in (teacher, student)]
        gap = float(kl.loss(*said, Y))
        same = float((said[0].argmax(1) == said[1].argmax(1)).float().mean())
    measured("distillation", f"KL(teacher || student) {gap:.1g} nats on new points; the same class in {same:.2%}")
    assert losses["imitate"][-1] < of(0.005, 0.001)
    assert gap < of(0.01, 0.003)
    assert same > 0.97


def test_adversarial_training_finds_the_robust_boundary(of, measured) -> None:
    """Two Gaussians N(+-m, diag(s^2)). Of accuracy inside an L2 ball the best is a linear boundary, and known (Bhagoji et
    al. 2019): what the ball cannot cover of m, measured by the noise. Its second coordinate is precise but so
    small that an attack turns it round: the plain classifier relies on it, the robust one does not."""
    m, s, radius = torch.tensor([1.0, 0.25]), torch.tensor([1.0, 0.1]), 0.5
    which = torch.arange(2000) % 2
    points = (2.0 * which - 1).unsqueeze(1) * m + s * torch.randn(2000, 2)
    x, y = Dataset("data", {"x": X, "y": V}).bind(points, which)
    attack = ProjectedGradient(radius=radius, steps=1, stride=1.0, bounds=(-10.0, 10.0))
    plain, robust = affine("predict", (X,), V), affine("predict", (X,), V)
    fit(supervised(x, y, plain), of(300, 2000), 500, lr=0.05)
    fit(adversarial_training(x, y, robust, attack), of(300, 2000), 500, lr=0.05)
    found = [worst_accuracy(each.module, m, s, radius) for each in (plain, robust)]
    best = best_worst_accuracy(m, s, radius)
    measured(
        "adversarial_training",
        f"accuracy under attack {found[1]:.4f} (best possible {best:.4f}), of the plain classifier {found[0]:.4f}",
    )
    assert best - of(0.01, 0.005) < found[1] <= best + 1e-6
    assert found[0] < best - 0.2


def normal_cdf(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def worst_accuracy(module: Net, m: Tensor, s: Tensor, radius: float) -> float:
    """Of a linear classifier, under the worst L2 perturbation, both classes in equal shares."""
    weight, bias = (each.detach()[1] - each.detach()[0] for each in (module.layers[0].weight, module.layers[0].bias))
    reach, deviation = float(weight @ m - radius * weight.norm()), float((s * weight).norm())
    return sum(normal_cdf((reach + side * float(bias)) / deviation) for side in (1, -1)) / 2


def best_worst_accuracy(m: Tensor, s: Tensor, radius: float) -> float:
    """The best of all directions, searched."""
    angles = torch.linspace(0, math.pi, 100_001)
    weights = torch.stack((angles.cos(), angles.sin()), 1)
    margins = (weights @ m - radius) / (weights * s).norm(dim=1)
    return normal_cdf(float(margins.max()))


def test_a_hypernetwork_gives_each_case_its_map(of, measured) -> None:
    C, Y = Type("C", (3,), "categorical"), Type("Y", (2,))
    maps, shifts = torch.randn(3, 2, 2), torch.randn(3, 2)
    case, inputs = torch.arange(300) % 3, torch.randn(300, 2)
    outputs = torch.einsum("nij, nj -> ni", maps[case], inputs) + shifts[case]
    c, x, y = Dataset("data", {"c": C, "x": X, "y": Y}).bind(case, inputs, outputs)
    net = parametric("net", (X,), Y, nn.Linear(2, 2))
    hyper = Learner("hyper", (C,), net.dom[0], Net((C,), net.dom[0]))
    losses = fit(hypernetwork(c, x, y, hyper, net, mse), of(400, 2000), 300, lr=0.1)
    with torch.no_grad():
        weights = hyper.apply(torch.eye(3).log())
        error = float((weights - torch.cat((maps.flatten(1), shifts), 1)).abs().max())
    measured("hypernetwork", f"three linear maps: parameters within {error:.1g}, loss {float(losses['fit'][-1]):.2g}")
    assert error < of(0.01, 0.001)
