"""The page on generation: a picture and figures of each way in which the champion among editors makes images.

    python -m benchmarks.generation docs/generation.md [--root .]

Pictures go into a folder beside the page that has its name. Needs the data and judge_2 of MNIST (`dvc repro
train@mnist-judge_2`), and takes ten minutes. An offset_manipulator is shown too where studies/manipulators has trained one.
Figures, and what is said of them, follow the models; what is seen in the pictures does not: look at them.
"""

import argparse
import textwrap
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipeline import exhibits, pictures, systems
from pipeline.exhibits import Figures, Request, Subject
from pipeline.files import write_text
from pipeline.training import prepare_device

STUDY = Path("studies", "manipulators")
CHAMPION = STUDY / "champions" / "mnist" / "sampling_manipulator"
OFFSET = STUDY / "models" / "mnist" / "offset_manipulator"
# What is drawn, and what else is measured.
SHOWN = {way: Request(way) for way in exhibits.WAYS}
MEASURED = {
    "uniform": Request("noise", start="uniform"),
    "latent_1": Request("latent", components=1),
    "latent_10": Request("latent", components=10),
}
RISE = 0.8  # the share of a rise whose place is told
WIDTH = 120


def page(found: dict[str, Figures]) -> str:
    """The page, of the figures of each request; `offset`: those of an offset_manipulator, with its config, or absent."""
    styles, noise, uniform, chain = (found[name] for name in ("styles", "noise", "uniform", "chain"))
    text = TEXT.format(
        write=f"{styles['write_accuracy']:.4f}",
        write_own=f"{styles['write_accuracy_own']:.4f}",
        **{probe: f"{styles[f'style_{probe}']:.2f}" for probe in ("slant", "stroke", "ink", "aspect")},
        **of_noise(noise, uniform, found["latent"]),
        **of_chain(chain),
        **of_laws(found["latent"], found["latent_1"], found["latent_10"]),
        **of_inverse(found["inverse"]),
        **of_steering(found["steer"]),
        offset=of_offset(found["offset"]) if "offset" in found else NO_OFFSET,
    )
    return "\n\n".join(map(wrapped, text.rstrip().split("\n\n"))) + "\n"


# ------------------------------------------------------------------------------------------------------------- sections


def of_noise(noise: Figures, uniform: Figures, latent: Figures) -> dict[str, str]:
    steps = range(1, len(noise["moved"]) + 1)
    moved, kept, read = noise["moved"], noise["moved_from_data"], noise["read"]
    shorter = falls(moved) and falls(uniform["moved"])
    return {
        "noise": table(
            ("step", *map(str, steps)),
            (
                ("from smooth noise", *numbers(moved, 4)),
                ("from uniform noise", *numbers(uniform["moved"], 4)),
                ("from test images", *numbers(kept, 4)),
                ("probability of the value, from smooth noise: judge", *numbers(read, 3)),
                ("the same: own get", *numbers(noise["read_own"], 3)),
            ),
        ),
        "fid_first": f"{noise['fid_first']:.0f}",
        "fid_last": f"{noise['fid_last']:.0f}",
        "fid_codes": f"{latent['fid_sample']:.0f}",
        "noise_moves": "become shorter, but do not end" if shorter else "do not even become shorter",
        "noise_read": "less and less surely" if falls(read) else "no more surely",
        "noise_mends": "does not mend that" if noise["fid_last"] > noise["fid_first"] else "mends little of that",
        "second": percent(kept[1] / kept[0]),
        "kept_moves": "hardly become shorter" if kept[-1] < kept[1] else "do not become shorter",
        "read_first": f"{read[0]:.3f}",
        "uniform_alike": "more alike" if uniform["spread"] < noise["spread"] else "more various",
        "spread_uniform": f"{uniform['spread']:.3f}",
        "spread_smooth": f"{noise['spread']:.3f}",
        "spread_edits": f"{noise['spread_from_data']:.3f}",
        "spread_real": f"{noise['spread_real']:.3f}",
    }


def of_chain(chain: Figures) -> dict[str, str]:
    drift, far = chain["drift"], chain["drift_of_strangers"]
    last = len(drift) - 1
    return {
        "chain": table(
            ("step", *(str(step) for step in range(1, len(drift) + 1))),
            (
                ("drift", "0", *numbers(drift[1:], 4)),
                ("of the distance of strangers", "0", *(percent(each / far) for each in drift[1:])),
                ("probability of the value: judge", *numbers(chain["read"], 3)),
            ),
        ),
        "strangers": f"{far:.4f}",
        "lost": percent(drift[-1] / far),
        "growth": "faster than in proportion, since each step starts a little farther from the data than the one before"
        if drift[-1] > last * drift[1]
        else "more slowly than in proportion",
    }


def of_laws(prior: Figures, one: Figures, ten: Figures) -> dict[str, str]:
    laws = {"the model's own prior": prior, "1 Gaussian": one, "10 Gaussians": ten}
    rows = (
        (
            name,
            f"{each['sample_accuracy']:.4f}",
            f"{each['fid_sample']:.2f} ({interval(each, 'fid_sample', 2)})",
            f"{each['spread']:.4f}",
        )
        for name, each in laws.items()
    )
    return {
        "laws": table(("law of codes", "read as asked", "`fid_sample`", "spread"), rows),
        "samples": f"{prior['images']:,}",
        "needed": compared(prior, ten),
        "spread_train": f"{prior['spread_real']:.4f}",
        "various": "samples are less various, whichever law they come from"
        if all(each["spread"] < each["spread_real"] for each in laws.values())
        else "not all laws are less various than that",
    }


def compared(prior: Figures, ten: Figures) -> str:
    """What a learned prior is good for, beside ten Gaussians."""
    if prior["fid_sample_high"] < ten["fid_sample_low"]:
        return "comes nearer to the data than ten Gaussians that are fitted afterwards"
    if prior["fid_sample_low"] > ten["fid_sample_high"]:
        return "is farther from the data than ten Gaussians that are fitted afterwards: it is not needed here"
    return "cannot be told from ten Gaussians that are fitted afterwards: on this model a learned prior is not needed"


def of_inverse(inverse: Figures) -> dict[str, str]:
    rows, count = [], len(inverse["tests"]["p_mmd"])
    for name, each in (("edits", inverse["tests"]), ("real images", inverse["tests_real"])):
        told = f"{each['inversion_c2st']:.3f} ({interval(each, 'inversion_c2st', 3)})"
        mmd = f"{each['inversion_mmd']:.4f}".replace("-", "−")
        passes, rejected = "yes" if each["passes"] else "no", listed(each["rejected"], count)
        rows.append((name, passes, rejected, told, mmd, f"{each['inversion_fid']:.1f}"))
    edits = inverse["tests"]
    head = (
        "images",
        "passes",
        "values rejected",
        "told from real ones (1/2 is the best)",
        "mean MMD²",
        "mean Frechet distance",
    )
    return {
        "inverse": table(head, rows),
        "verdict": "It passes" if edits["passes"] else "It does not pass",
        "inverse_write": f"{inverse['write_accuracy']:.4f}",
        "told": percent(edits["inversion_c2st"]),
        "above": "all" if edits["inversion_c2st_rejected"] == 1 else f"{edits['inversion_c2st_rejected'] * count:.0f}",
        "inverse_various": "less various" if inverse["spread"] < inverse["spread_real"] else "no less various",
        "inverse_spread": f"{inverse['spread']:.3f}",
        "inverse_spread_real": f"{inverse['spread_real']:.3f}",
    }


def of_steering(steer: Figures) -> dict[str, str]:
    along, read = steer["amounts"], steer["read"]
    low, high, share = steepest(along, read)
    return {
        "steer": table(("t", *map(eighths, along)), (("probability of the value: judge", *numbers(read, 3)),)),
        "steered": f"{steer['images']:,}",
        "monotone": f"{steer['monotone']:.4f}",
        "monotone_strictly": f"{steer['monotone_strictly']:.3f}",
        "half": f"{read[len(read) // 2]:.3f}",
        "steep": f"{percent(share)} of the rise lies between {eighths(low)} and {eighths(high)}",
    }


def steepest(along: Sequence[float], read: Sequence[float]) -> tuple[float, float, float]:
    """The shortest stretch that has RISE of the rise of the mean, and the share that it has."""
    whole, count = read[-1] - read[0], len(along)
    stretches = [(i, j) for i in range(count) for j in range(i + 1, count)]
    enough = [(i, j) for i, j in stretches if read[j] - read[i] >= RISE * whole]
    i, j = min(enough, key=lambda ends: (ends[1] - ends[0], read[ends[0]] - read[ends[1]]))
    return along[i], along[j], (read[j] - read[i]) / whole


def of_offset(offset: Figures) -> str:
    along, read = offset["amounts"], offset["read"]
    at = dict(zip(along, read, strict=True))
    settings = offset["config"]["settings"]
    return WITH_OFFSET.format(
        steps=f"{settings['steps']:,}",
        batch=settings["batch_size"],
        table=table(
            ("t", *(f"{each:g}".replace("-", "−") for each in along)),
            (("probability of the value: judge", *numbers(read, 3)),),
        ),
        within=f"{offset['monotone_within']:.3f} ({interval(offset, 'monotone_within', 3)})",
        whole=f"{offset['monotone']:.3f} ({interval(offset, 'monotone', 3)})",
        surely=f"{at[1.0]:.3f}",
        beyond=f"{at[along[-1]]:.3f}",
        nothing=f"{at[0.0]:.3f}",
        end=f"{along[-1]:g}",
        falls=percent(1 - offset["monotone"]),
        falls_within=percent(1 - offset["monotone_within"]),
    )


# --------------------------------------------------------------------------------------------------------------- words


def wrapped(block: str) -> str:
    """Prose in lines of WIDTH; headings, tables, pictures and code as they are."""
    if block.startswith(("#", "|", "!", " ")):
        return block
    return textwrap.fill(" ".join(block.split()), WIDTH, break_long_words=False, break_on_hyphens=False)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def numbers(values: Sequence[float], digits: int) -> list[str]:
    return [f"{value:.{digits}f}" for value in values]


def percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def interval(found: Figures, key: str, digits: int) -> str:
    return f"{found[f'{key}_low']:.{digits}f} to {found[f'{key}_high']:.{digits}f}"


def falls(values: Sequence[float]) -> bool:
    return all(later < earlier for earlier, later in pairwise(values))


def listed(rejected: Sequence[str], count: int) -> str:
    if not rejected:
        return "none"
    return "all" if len(rejected) == count else ", ".join(rejected)


def eighths(amount: float) -> str:
    over, under = float(amount).as_integer_ratio()
    return f"{over}/{under}" if under > 1 else str(over)


TEXT = """# Generation from an editor

Written by `python -m benchmarks.generation`, which also draws the pictures.

An editor `put(s, a)` writes a value into an image and leaves the rest. That makes it a generator in six ways:

    pipeline generate MODEL --how styles|noise|chain|latent|inverse|steer -o OUT.png
        [--to VALUE] [-n N] [--steps K] [--start smooth|uniform] [--components K] [--seed S] [--json]

| way | equation | needs |
|---|---|---|
| `styles` | put(s, a) for every a | test images |
| `noise` | s ← put(s, a), again and again, from noise | nothing |
| `chain` | s(t+1) = put(s(t), a(t)), the values a(t) random, from test images | test images |
| `latent` | rec(a, c), the code c drawn from a law of codes | a prior of the model's own (`pipeline sample`), or codes and training images |
| `inverse` | put(s, a), s ~ data and a ~ A independent | test images |
| `steer` | dec(comp(s) + t offset(a)), or put(s, (1 − t) get(s) + t a) | test images |

Data are found in `data/prepared/`, where `dvc repro prepare@mnist` puts them. The images are drawn by the seed, not
chosen; the same seed gives the same picture. `--json` also prints figures, of more images than the picture shows (2,000
where nothing else is said here), with 95% intervals of shares and distances; they take minutes. Values are read by the
model's own `get` (names that end in `_own`), and by judge_2 if it is in `models/<data>/`, which took no part in any
training or choice. In Python the same is `pipeline.generation`, functions of a trained model:

    from pathlib import Path
    from pipeline import generation, systems, tracking
    model = systems.load(tracking.find("mnist-sampling_manipulator", Path()))
    chain = generation.walk(model, images, generation.random_values(8, len(images), 10, seed=0))
    generation.drift(model, chain)

Pictures and figures below are those of the champion that comes with the project, `mnist-sampling_manipulator`, with the
seed 0. Its settings were chosen by its edits of validation images ([tuning.md](tuning.md#third-round) has the first of these trials), not by what is
shown here.

## Style transfer: `styles`

![Each row one test image, then the same in all ten values](generation/styles.png)

A row has one style, a column one value; the first column is the source s, its label before it. Writing another value
than the image's own, {write} of the edits are read as asked (by the model's own get: {write_own}). Style is kept as far
as its probes go: slant correlates at {slant} before and after, stroke width at {stroke}, ink at {ink}, aspect at {aspect}
([metrics.md](metrics.md) has the probes).

*When it fails.* Where a value has no room for the style: a 0 made of a 1, a 7 or a 9 keeps a corner or a thick place where
their strokes were, a 1 made of a wide digit is bent or has faint traces beside it, and how wide a digit was cannot be told
from a 1.

## From noise: `noise`

![Rows: values; columns: smooth noise, then put once to eight times](generation/noise.png)

PutPut, put(put(s, a), a) = put(s, a), says that one step arrives. Figures of `moved` are how far each step goes, in mean
squared difference of pixels:

{noise}

*When it fails: here.* Noise is out of the distribution that the equations were trained on. One put makes strokes that
a reader takes for the value, on a ground that is not clean, and at a Frechet distance of {fid_first} from training images
(`fid_first`; of samples from codes it is {fid_codes}). Iterating {noise_mends}: strokes drift away from the digit, and marks
are left that belong to none. Steps {noise_moves}, the value is read {noise_read}, and after eight steps the distance is
{fid_last} (`fid_last`). From test images the first step nearly arrives: the second one goes {second} as far. But there the
steps {kept_moves} after it: what is lost is lost a little more each time. A judge that reads {read_first} after one step is
no proof of quality, either. Use `latent` to make images from nothing.

`--start uniform` begins with independent pixels instead of smooth ones. Then images of one value are {uniform_alike}: the
variance between them (`spread`) is {spread_uniform} after eight steps, and {spread_smooth} from smooth noise; edits of
test images have {spread_edits}, real images {spread_real}.

## Chains: `chain`

![Pairs of rows: a chain, and below it one put from its start to the same value](generation/chain.png)

A chain walks through X × A. Where PutPut holds, only the last value counts: s(t+1) = put(s(0), a(t)), however long the
chain. `drift` is the mean squared difference of the two, 0 for an exact editor:

{chain}

The second line is the share of {strangers}, how far put(s, a) is from put(s', a) for another image s'
(`drift_of_strangers`): at 100% nothing of the style would be left.

*When it fails.* Errors add up: strokes blur and break. The drift grows {growth}.
By that measure a chain of eight has lost {lost} of its style. Edit the original once instead, where there is one.

## From codes: `latent`

![Samples of each value from the model's own prior](generation/latent.png)

Where put is rec(a, comp(s)), and comp keeps nothing of the value, one law of codes serves all values. `sampling_manipulator`
learned one; any system with boxes `comp` and `rec`, `comp`, `dec` and `offset`, or `enc` and `dec` can have one fitted to the
codes of training images (`--components K`: a mixture of K Gaussians, scikit-learn's). Where the decoder is not told the
value, as in `latent_shift`, the codes of each value get a law of their own. Of {samples} samples:

{laws}

By `fid_sample`, what the prior learned in a fifth of the training steps {needed}. Real images have a spread of {spread_train}:
{various}.

*When it fails.* Far out, codes are no images' codes: stray dots, doubled strokes. Where `keep` does not hold, values leak
into codes, and a law for all values mixes them.

## The Bayesian inverse: `inverse`

![For each value, edits of random test images above real ones](generation/inverse.png)

If style is independent of the value, put(s, a) with s ~ data is a draw from p(s | get(s) = a). Whether it is gets tested:
edits of one half of the test images, to values drawn uniformly, against the real images of the other half, value by value,
by a judge's features. `tests` has the p-values of the MMD test and of the classifier test, and `rejected` the values that
either of them rejects at 5% over all; `tests_real` is the same of the first half as it is.

{inverse}

*{verdict}.* The edits are read as the value ({inverse_write} of them). A logistic regression of a judge's features is right
about {told} of edits and real images that it has not seen, and above chance, at 5%, in {above} of the ten values. Two
causes can be seen: edits are softer, with faint traces on the ground, and they are {inverse_various} (spread {inverse_spread}
against {inverse_spread_real}). A third is in the data: how digits are drawn is not quite independent of the digit, so that
even an exact editor need not pass.

## Steering: `steer`

![Images by degrees of the value's probability](generation/steer.png)

Any editor takes probabilities for a value, so it can be asked for (1 − t) get(s) + t a. Of {steered} images, steered to
another value than their own:

{steer}

`monotone` is the share of images for which that probability never falls, as t grows, by more than 0.01 below the most that
it has been: {monotone} here. `monotone_strictly` allows for no fall at all: {monotone_strictly}.

*When it fails.* Half way from one value to another is an image of neither: strokes of both, some of them faint. The judge
gives the value that is asked for {half} there, on average. And t is no measure of how far one has come: {steep}.

{offset}
"""

WITH_OFFSET = """![Images by degrees of the offset, from -0.5 to 1.5](generation/offset.png)

Where put is dec(comp(s) + offset(a)), the offset itself is followed, and beyond its ends too: at 1 it is put(s, a), at 0 no
value has been written yet. The champion has no offset. This is the `offset_manipulator` of studies/manipulators, after
{steps} steps of {batch} images; its weights are not in the project
(`dvc repro studies/manipulators/dvc.yaml:train@mnist-offset_manipulator` makes them):

{table}

Its `monotone` is {within} between 0 and 1 (`monotone_within`), and {whole} over the whole range.

*When it fails.* Without a value, at 0, there is no digit yet but a blur of several, read as the value at {nothing}. From
1 to {end} the probability goes from {surely} to {beyond} on average; but there, as below 0, the decoder was never trained:
over the whole range it falls for {falls} of the images, between 0 and 1 for {falls_within}."""

NO_OFFSET = """Where put is dec(comp(s) + offset(a)), the offset itself is followed, and beyond its ends too: at 1 it is put(s, a), at 0 no
value has been written yet. The champion has no offset; the `offset_manipulator` that is shown here if it is there has not
been trained: `dvc repro studies/manipulators/dvc.yaml:train@mnist-offset_manipulator` does that."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--root", type=Path, default=Path())
    given = parser.parse_args()
    prepare_device(1)
    champion = Subject(systems.load(given.root / CHAMPION), given.root)
    if champion.judge is None:
        parser.error("no judge_2 of mnist: `dvc repro train@mnist-judge_2` trains it")
    asked = [(name, champion, request) for name, request in (SHOWN | MEASURED).items()]
    if (given.root / OFFSET / "config.json").exists():
        asked.append(("offset", Subject(systems.load(given.root / OFFSET), given.root), SHOWN["steer"]))
    found: dict[str, Any] = {}
    for name, subject, request in asked:
        print(name, flush=True)
        if name not in MEASURED:
            pictures.save(exhibits.show(subject, request), given.file.with_suffix("") / f"{name}.png")
        found[name] = {"config": subject.model.config, **exhibits.measure(subject, request)}
    write_text(given.file, page(found))


if __name__ == "__main__":
    main()
