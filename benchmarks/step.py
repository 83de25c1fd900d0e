"""A compiled manipulator step beside the same step written by hand in plain PyTorch.

    python benchmarks/step.py [--repeats 40] [--batch 128] [--threads 1]

Both run on the same data, weights and draws; time is the median of interleaved repeats, memory the peak of what
PyTorch's CPU allocator held during a step (fresh processes would add the interpreter to both sides).
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from pipeline import systems
from pipeline.language import Draws, compile_task
from pipeline.systems.base import Inputs

SHAPE, VALUES = (1, 28, 28), tuple("0123456789")
SETTINGS = {"steps": 1, "noise": 0.1, "smoothing": 0.1, "reconstruction": 20.0}

Step = Callable[[int], None]


def make(seed: int) -> systems.System:
    images = torch.randint(0, 256, (1024, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    inputs = Inputs(SHAPE, VALUES).bound(images, torch.arange(1024) % len(VALUES))
    config = {"shape": list(SHAPE), "values": list(VALUES), "seed": seed}
    classifier = {**config, "system": "classifier", "settings": {"steps": 1}, "given": None}
    return systems.build({**config, "system": "manipulator", "settings": SETTINGS, "given": classifier}, inputs)


def compiled(batch: int) -> tuple[Step, list[torch.nn.Parameter]]:
    system = make(0)
    program = compile_task(system.phases[0].task)
    optimiser = torch.optim.Adam(program.parameters, fused=True)
    (move,) = program.moves

    def step(number: int) -> None:
        move.backward(move.losses(Draws(0, number, batch)))
        optimiser.step()
        optimiser.zero_grad()

    return step, program.parameters


def by_hand(batch: int) -> tuple[Step, list[torch.nn.Parameter]]:
    """What one would write without the language: shared values once, a frozen get, one backward pass."""
    system = make(0)
    put, features, head = (learner.module for learner in system.kept)
    features.requires_grad_(False)
    head.requires_grad_(False)
    optimiser = torch.optim.Adam(put.parameters(), fused=True)
    sources = {source.name: source for source in system.phases[0].task.sources}
    noise_source = next(source for source in sources.values() if source.implicit)

    def step(number: int) -> None:
        draws = Draws(0, number, batch)
        images, _ = sources["x"].draw(draws)
        value = sources["a"].draw(draws)[0].exp()
        (noise,) = noise_source.draw(draws)
        own = head(features(images)).softmax(1)
        edited = put(images, value)
        read = head(features(torch.add(edited, noise, alpha=SETTINGS["noise"])))
        putget = F.cross_entropy(read, value, label_smoothing=SETTINGS["smoothing"])
        getput = F.mse_loss(put(images, own), images)
        undo = F.mse_loss(put(edited, own), images)
        (putget + SETTINGS["reconstruction"] * (getput + undo)).backward()
        optimiser.step()
        optimiser.zero_grad()

    return step, list(put.parameters())


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    (ours, our_weights), (hand, hand_weights) = compiled(arguments.batch), by_hand(arguments.batch)
    for number in range(3):
        ours(number)
        hand(number)
    difference = max(float((a - b).detach().abs().max()) for a, b in zip(our_weights, hand_weights, strict=True))
    pairs = [
        (timed(ours, n), timed(hand, n)) if n % 2 else (timed(hand, n), timed(ours, n))[::-1]
        for n in range(arguments.repeats)
    ]
    our_time, hand_time = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    our_peak, hand_peak = peak(ours), peak(hand)
    print(f"largest difference of a weight after 3 steps: {difference:.1e}")
    print(f"time    compiled {our_time * 1e3:7.2f} ms   by hand {hand_time * 1e3:7.2f} ms   ratio {ratio:.3f}")
    print(
        f"memory  compiled {our_peak / 2**20:7.1f} MiB  by hand {hand_peak / 2**20:7.1f} MiB  "
        f"ratio {our_peak / hand_peak:.3f}"
    )


if __name__ == "__main__":
    main()
