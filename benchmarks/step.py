"""Compiled steps beside the same steps written by hand in plain PyTorch (see `cases.py`).

    python benchmarks/step.py [CASE ...] [--repeats 40] [--batch 128] [--threads 1]

Both run on the same data, weights and draws, with the same optimiser; time is the median of interleaved repeats, memory
the peak of what PyTorch's allocator held during a step (fresh processes would add the interpreter to both sides).
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler talks

import torch

sys.path.insert(0, str(Path(__file__).parent))
from cases import CASES, Case

from pipeline.language import Draws, compile_task

Step = Callable[[int], None]


def case(name: str) -> Case:
    torch.manual_seed(0)
    return CASES[name]()


def compiled(made: Case, batch: int, device: torch.device) -> tuple[Step, list[torch.nn.Parameter]]:
    program = compile_task(made.task)
    optimisers = [
        torch.optim.Adam([p for each in move.learners for p in each.parameters], fused=True) for move in program.moves
    ]

    def step(number: int) -> None:
        for turn, (move, optimiser) in enumerate(zip(program.moves, optimisers, strict=True)):
            draws = Draws(0, number * len(program.moves) + turn, batch, device)
            move.backward(move.losses(draws))
            optimiser.step()
            optimiser.zero_grad()

    return step, program.parameters


def by_hand(made: Case, batch: int, device: torch.device) -> tuple[Step, list[torch.nn.Parameter]]:
    """What one would write without the language: one optimiser for each player, gradients to its parameters alone."""
    parameters = [parameter for _, moved in made.by_hand for parameter in moved]
    for learner in made.task.learners:
        learner.module.requires_grad_(False)
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimisers = [torch.optim.Adam(moved, fused=True) for _, moved in made.by_hand]

    def step(number: int) -> None:
        for turn, ((loss, moved), optimiser) in enumerate(zip(made.by_hand, optimisers, strict=True)):
            total = loss(Draws(0, number * len(made.by_hand) + turn, batch, device))
            gradients = torch.autograd.grad(total, moved)
            for parameter, gradient in zip(moved, gradients, strict=True):
                parameter.grad = gradient
            optimiser.step()
            optimiser.zero_grad()

    return step, parameters


def peak(step: Step) -> int:
    """The most bytes that tensors made in one step held at a time."""
    with torch.profiler.profile(profile_memory=True) as profile:
        step(0)
    held = most = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def timed(step: Step, number: int) -> float:
    start = time.perf_counter()
    step(number)
    return time.perf_counter() - start


def apart(name: str, batch: int, device: torch.device) -> float:
    """The largest difference between the gradients of the first step, over the largest gradient."""
    ours, hand = case(name), case(name)
    moves = compile_task(ours.task).moves
    by_hand(hand, batch, device)  # freezes what is not trained
    largest = 0.0
    for turn, (move, (loss, moved)) in enumerate(zip(moves, hand.by_hand, strict=True)):
        draws = Draws(0, turn, batch, device)
        move.backward(move.losses(draws))
        found = {each.name: [p.grad for p in each.parameters] for each in move.learners}
        slopes = dict(zip(map(id, moved), torch.autograd.grad(loss(draws), moved), strict=True))
        for learner in hand.task.learners:
            for mine, parameter in zip(found.get(learner.name, ()), learner.parameters, strict=False):
                if id(parameter) in slopes:
                    other = slopes[id(parameter)]
                    largest = max(largest, float((mine - other).abs().max() / other.abs().max().clamp_min(1e-3)))
    return largest


def compare(name: str, batch: int, repeats: int) -> str:
    """One row of the table."""
    device = torch.device("cpu")
    (ours, _), (hand, _) = (make(case(name), batch, device) for make in (compiled, by_hand))
    for number in range(3):
        ours(number)
        hand(number)
    pairs = [
        (timed(ours, n), timed(hand, n)) if n % 2 else (timed(hand, n), timed(ours, n))[::-1] for n in range(repeats)
    ]
    our_time, hand_time = (statistics.median(column) * 1e3 for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    our_peak, hand_peak = peak(ours) / 2**20, peak(hand) / 2**20
    return (
        f"| {name} | {our_time:.2f} | {hand_time:.2f} | {ratio:.3f} | {our_time - hand_time:+.2f} "
        f"| {our_peak:.1f} | {hand_peak:.1f} | {our_peak / hand_peak:.3f} | {apart(name, batch, device):.0e} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"batch {arguments.batch}, {arguments.threads} thread(s), {arguments.repeats} interleaved repeats")
    print(
        "| case | compiled ms | by hand ms | time ratio | ms more | compiled MiB | by hand MiB | memory ratio | gradients apart |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in arguments.cases:
        print(compare(name, arguments.batch, arguments.repeats), flush=True)


if __name__ == "__main__":
    main()
