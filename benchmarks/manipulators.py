"""The page on manipulators: what each equation does, and the figures of studies/manipulators, as measured.

    python -m benchmarks.manipulators docs/manipulators.md [--draw]

The tables are read from studies/manipulators/metrics (`dvc repro studies/manipulators/dvc.yaml`) and from the sheets in
docs/manipulators (`python -m benchmarks.variants docs/manipulators`, and the same of benchmarks.lenses). --draw: first edit
some test examples by each of the study's champions whose data are prepared, into docs/manipulators/DATA.png, or DATA.md
where they are sentences; the page shows what is there. This takes seconds.
"""

import argparse
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ruamel.yaml import YAML

from pipeline import data, exhibits, pictures, systems, texts
from pipeline.files import read_json, write_text

STUDY = Path("studies", "manipulators")
FIXTURES = Path("studies", "metrics", "fixtures")
# What edits without having learned to, by what the page calls it.
UNLEARNED = {"nearest_neighbour": "the nearest image of the value", "renderer": "the renderer itself"}
DRAWN = Path("docs", "manipulators")
DRAWING = ("champions/*/*/config.json", "models/brown_tense/sentence_manipulator/config.json")
SHEETS = ("equations", "failures", "levers", "lenses")  # see benchmarks.variants, benchmarks.lenses
Found = dict[str, float]

# Columns by what a data set has: photographs have style probes, rendered data the truth.
PROBED = (
    "write_accuracy",
    "collusion_gap",
    "fid_edit",
    "coverage_edit",
    "inversion_c2st",
    "inversion_c2st_rejected",
    "putput_mse",
    "style_slant",
    "style_stroke",
    "fid_sample",
)
RENDERED = (
    "write_accuracy",
    "collusion_gap",
    "preservation_mse",
    "preservation_other_accuracy",
    "fid_edit",
    "coverage_edit",
    "inversion_c2st_rejected",
    "putput_mse",
)
WRITTEN = (
    "write_accuracy",
    "collusion_gap",
    "preservation_other_accuracy",
    "exact_edit",
    "bleu_source",
    "perplexity_ratio",
    "inversion_c2st_rejected",
    "putput_word_error",
)
NAMED = {
    "fid_reference": "fid_edit",
    "coverage_reference": "coverage_edit",
    "inversion_reference_c2st": "inversion_c2st",
    "inversion_reference_c2st_rejected": "inversion_c2st_rejected",
}


def tables(study: Path, drawn: Path) -> str:
    """A table for every data set that the study has measured editors on, and some edits where there are any."""
    lock, parts = YAML(typ="safe").load(study / "dvc.lock"), []
    for folder in sorted((study / "metrics").iterdir()):
        every = {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}
        editors = {name: found for name, found in every.items() if "write_accuracy" in found}
        if editors:
            steps = {name: steps_of(f"{folder.name}-{name}", lock) for name in editors}
            rows = table(editors, steps, unlearned(folder.name))
            parts += [f"### {folder.name}", rows, *examples(folder.name, drawn)]
    return "\n\n".join(parts)


def steps_of(name: str, lock: dict[str, Any]) -> int:
    """How many steps an experiment was trained: what DVC's lock says of the stage.

    Raises ValueError if what was measured is not what was trained last.
    """
    trained, evaluated = (lock["stages"][f"{stage}@{name}"] for stage in ("train", "evaluate"))
    if trained["outs"][0]["md5"] not in {each["md5"] for each in evaluated["deps"]}:
        raise ValueError(
            f"{name}: its metrics are of another model; `dvc repro {STUDY}/dvc.yaml:evaluate@{name}` first"
        )
    return trained["params"]["params.yaml"][f"experiments.{name}.settings"]["steps"]


def unlearned(dataset: str) -> dict[str, Found]:
    """What studies/metrics has measured, by other judges of the same recipe, but the gap: its get is a judge."""
    path = FIXTURES / f"{dataset}.json"
    found = read_json(path) if path.exists() else {}
    return {
        UNLEARNED[name]: {key: value for key, value in row.items() if key != "collusion_gap"}
        for name, row in found.items()
        if name in UNLEARNED
    }


def table(editors: dict[str, Found], steps: dict[str, int], others: dict[str, Found]) -> str:
    """One row an editor, best writers first, then what edits without learning, and what real test data have."""
    columns = [key for key in columns_of(next(iter(editors.values()))) if any(key in row for row in editors.values())]
    ordered = sorted(editors, key=lambda name: -editors[name]["write_accuracy"])
    first = editors[ordered[0]]
    real = {to: first[key] for key, to in NAMED.items() if key in first and to in columns}
    # What trains nothing has steps of another kind.
    rows = [(name, f"{steps[name]:,}" if editors[name]["parameters"] else "", editors[name]) for name in ordered]
    rows += [(name, "", found) for name, found in others.items()]
    rows += [("real test data", "", real)] if real else []
    lines = ["| system | steps | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    lines += [
        f"| {name} | {taken} | " + " | ".join(shown(found, key) for key in columns) + " |"
        for name, taken, found in rows
    ]
    return "\n".join(lines)


def examples(dataset: str, drawn: Path) -> list[str]:
    """What the page shows of a champion's edits."""
    text, picture = drawn / f"{dataset}.md", drawn / f"{dataset}.png"
    if text.exists():
        return [text.read_text(encoding="utf-8").strip()]
    if picture.exists():
        return [f"![Test images of {dataset}, and each with every value written]({drawn.name}/{picture.name})"]
    return []


def draw(study: Path, drawn: Path) -> None:
    """Edits by every champion whose data are there, as pictures or sentences, and by what is too large for git."""
    for config in sorted(path for pattern in DRAWING for path in study.glob(pattern)):
        model, dataset = systems.load(config.parent), config.parent.parent.name
        if not (study / "data" / "prepared" / dataset).exists():
            print(f"{dataset}: not prepared (dvc repro {study}/dvc.yaml:prepare@{dataset}), its edits stay")
        elif "words" in model.config:
            write_text(drawn / f"{dataset}.md", rewritten(model, study))
        else:
            request = exhibits.Request("styles", count=8)
            pictures.save(exhibits.show(exhibits.Subject(model, study), request), drawn / f"{dataset}.png")


def rewritten(model: systems.Model, study: Path, count: int = 6) -> str:
    """A table of test sentences and their edits to another value."""
    words, values = model.config["words"], model.config["values"]
    known = texts.vocabulary(words, model.config["shape"][0])
    held = data.load(study / "data" / "prepared" / model.config["data"], "test")
    sentences, labels = held.inputs[:count], held.labels[:count]
    targets = (labels + 1 + torch.arange(count) % (len(values) - 1)) % len(values)
    said = zip(known.decode(sentences), known.decode(model.edit(sentences, targets)), targets.tolist(), strict=True)
    lines = ["| test sentence | to | edit |", "|---|---|---|"]
    lines += [f"| {shown_words(one)} | {values[target]} | {shown_words(other)} |" for one, other, target in said]
    return "\n".join(lines) + "\n"


def shown_words(words: Sequence[str]) -> str:
    """Words such as <unk> and `` as text, not as marks of the page."""
    return html.escape(" ".join(words), quote=False).replace("`", "&#96;")


def columns_of(found: Found) -> tuple[str, ...]:
    if "preservation_mse" in found:
        return RENDERED
    return PROBED if "style_slant" in found else WRITTEN


def shown(found: Found, key: str) -> str:
    if key not in found:
        return ""
    digits = 2 if key.startswith("fid") else 4
    return f"{found[key]:.{digits}f}"


TEXT = """# Manipulators

Written by `python -m benchmarks.manipulators`, from the metrics that are in git.

A classifier says what an image shows. A *manipulator* turns it into an editor: `put(s, a)` is the image `s`, showing `a`
instead. Nothing is learned from pairs of images, since nobody has them; what put has to satisfy is written down:

    classify : get(s) == v                      get reads the attribute
    putget   : get(put(s, a)) == a              what was written can be read
    getput   : put(s, get(s)) == s              writing what is there changes nothing
    undo     : put(put(s, a), get(s)) == s      writing it back restores the original

    pipeline train manipulator --data mnist
    pipeline train manipulator --data photos --labels labels.csv --classifier net.py:trained

The second line takes a classifier of your own: [own_classifier.md](own_classifier.md). Ways of making images out of an
editor have a page too: [generation.md](generation.md).

## What each equation does

The same put, trained as long, without one of them:

![A row of digits, and their edits by each variant](manipulators/equations.png)

{equations}

* **putget** is what edits. Without it put is an autoencoder: nothing is written, and everything else holds.
* **getput** and **undo** are what keeps the rest, and what keeps edits images. Without both, put writes a pattern that get
  takes for the value and no person would: own 1, judged 0, the same whatever the image was. Without getput put may turn the
  style about, since undo only asks for the way back: thick strokes become thin ones. Without undo edits are clean, and
  lose what the value does not need: the way back is twice as far off.
* **a plain get** is the trap. Equations know the image through get alone, and a get that was trained on clean images
  alone is easily pleased: by marks that no person would read. It then reads nearly every edit, and the judge less than
  half; `collusion_gap` is the difference. The classifier here is made robust (its worst case within a ball of pixels is
  trained too) and careful (stray strokes, fading and cuts cost certainty), and the gap is gone, with the same four
  equations for put.

## Forms

Each is the same task, refined: an equation more or less, or a box filled with a diagram. `pipeline describe SYSTEM` prints
the equations, `--draw OUT.svg` draws them.

| system | what it says besides the four equations | what for |
|---|---|---|
| `manipulator` | nothing | two values, or style that every value has alike |
| `lens_manipulator` | leaves out `undo` | to see what `undo` is for |
| `strong_manipulator` | `putput`: only the last value that is written counts | three values or more |
| `complement_manipulator` | put(s, a) = rec(a, comp(s)); `keep`: comp is not changed by writing | PutPut by construction, codes of the rest |
| `offset_manipulator` | put(s, a) = dec(comp(s) + offset(a)) | steering: a direction for every value |
| `cotrained_manipulator` | get is trained along with put | no classifier to start from; watch `collusion_gap` |
| `matched_manipulator` | `law`: edits to a look, to get, like real images of a | nearer to the data |
| `sampling_manipulator` | the complement form, `law`, `independent`: the rest tells nothing of the value; a prior of codes | the best editor here, and samples from noise |
| `symmetric_manipulator` | two types of images that share a complement | translation between two sorts of images without pairs |
| `sentence_manipulator` | `repair`: what is spoiled is put right; `law`; `typical`: edits are as likely sentences as real ones | values that are said by other words in the same places |
| `complement_sentence_manipulator` | the complement form, `law`, `independent`, `typical` | values that take more words, or fewer |

How many functions solve them is counted, not guessed (`pipeline count manipulator --fibres 2,2,2`): with three values of two
images each, {lens} lenses, {undo} of which undo, {putput} of which satisfy PutPut.

**Why `independent` matters.** In the complement form an edit joins a value with the rest of an image that had another one.
rec learns from images, where value and rest come together; where the rest of a `1` is unlike the rest of any `8`, their
join is a place that rec has never been asked about. If the rest is independent of the value there is no such place, and
put(s, a), s drawn from the data, has the law of the images of a: it samples from the Bayesian inverse of get. The equation
says so, `(comp(s), v) == (comp(s'), v)` in law, s' another image. [tuning.md](tuning.md#third-round) has what it gave.

## What more equations give

`manipulator`, and one thing more, the same steps, 600. Means over three seeds where a range is given:

![A row of digits, and their edits by each variant](manipulators/levers.png)

{levers}

* **A get that is trained along** colludes: it reads every edit, and the judge half of them.
* **law** is the lever. A quarter of the Frechet distance is gone, more than three seeds differ by, and the edits are more
  varied; a few more in a thousand are not read as wanted. Which divergence compares the laws matters little.
* **law in two layers** is where one judge would mislead: nearest of all to judge_1, no nearer to judge_2.
* **Two gets** write more surely than one. They bring edits no nearer to the data.
* **An autoencoder that is to leave edits as they are**, and **putput**, give nothing here that three seeds do not. What
  putput is for shows in `putput_mse` (below).
* **complement, law, independent** is behind after 600 steps, of which a quarter go to the prior of codes, and in half of
  the others `independent` has not come to its weight; trained for longer it is ahead of all (below, `sampling_manipulator`).

## Several lenses on the same images

An editor knows its own attribute and no other, so two of them can be used on the same image, one after the other. The
renderer, which no editor has met, reads what comes of it:

![Sprites, and their edits by two lenses](manipulators/lenses_sprites.png)

{lenses}

No equation asked the two to get along. Each keeps what is not its own, the other's attribute is part of that, and so both
orders end at nearly the same image. What each loses adds up: after eight edits in turn fewer of the factors that are
neither's (place and size) are as they were.

## Sentences

The same equations, with words for pixels: what put says is drawn of its distributions before it is read, and the gradient
goes straight through. `sentence_manipulator` keeps a word or says another in its place; `complement_sentence_manipulator`
says a sentence anew from the value and the rest, so the value may take more words or fewer. Neither plays a game:
`typical` asks that edits are as likely, under a model of speech, as sentences of the data are. Steps and trials:
[tuning.md](tuning.md#sentences). Which of several opposites a word has is in no example, so some of the other factors
cannot be kept but by luck ([data.md](data.md#sentences-with-exact-truth)): an editor of sentiment that pairs opposites at
random has 0.84 of them.

Two traps are those of sentences. A careful get is in doubt about real sentences, and a put can tell by it that it is to
copy; `decided` has getput and undo write the value that is likeliest, as a user does. And of real English there are few
examples: a model of speech that knows them by heart has put say nothing but what is common.

## Measured

Test data, read by judge_2 (another net than get and its other judge, trained on images that neither get nor put have
seen); `collusion_gap` is what get reads beyond the judge. `the nearest image of the value` gives that real image, and
`the renderer itself` draws the right edit: neither has learned anything, and other judges of the same recipe, those of the
main run, have read them ([verification.md](verification.md)). What each column means: [metrics.md](metrics.md). Settings:
studies/manipulators/params.yaml; seed 0, one thread.

**Is put(s, a) a sample of the Bayesian inverse of get?** Approximately at best. `inversion_c2st_rejected` is the share of the
values for which a two-sample test tells edits from real examples: of images, all values of every editor (real digits of the
test data are told from training data in 8 of 10 classes too). Edits of subjects pass for 7 of 8 values, those of
tenses for 2 of 3 (complement form); other sentences do not.

**Rivals** are those of digits. They edit with as many parameters as put or the conditional VAE have, to a tenth, and were given
the time of a `manipulator` of 1,600 steps, but for two that have fifteen times as long, `sampling_manipulator` and
`conditional_vae` (in the short time, as in the main run: write_accuracy {main[conditional_vae][write_accuracy]:.3f},
fid_edit {main[conditional_vae][fid_edit]:.1f}, fid_sample {main[conditional_vae][fid_sample]:.1f}). How they were tuned, and how little some of them:
[tuning.md](tuning.md#other-rivals).

* The conditional VAE, if it has the time, writes as surely as an editor, and covers a little more of the data
  (`coverage_edit` {mnist[conditional_vae][coverage_edit]:.2f}, `sampling_manipulator` {mnist[sampling_manipulator][coverage_edit]:.2f}). Its edits are four times as far from the
  data, and PutPut does not come to it (`putput_mse` {mnist[conditional_vae][putput_mse]:.4f}, {mnist[sampling_manipulator][putput_mse]:.4f}). With an equation that compares laws
  (`matched_conditional_vae`) it is nearer, and forgets what is not of the digit (`style_stroke` {mnist[matched_conditional_vae][style_stroke]:.2f};
  `matched_manipulator`, with a like equation and the four, {mnist[matched_manipulator][style_stroke]:.2f}).
* `csvae` writes everything, in one hand: its edits are all alike (`coverage_edit` {mnist[csvae][coverage_edit]:.2f}).
* `counterfactual` and `latent_shift` train no editor. One changes what get reads more than what is seen: get reads {mnist[counterfactual][write_accuracy_own]:.2f} of
  its edits, the judge {mnist[counterfactual][write_accuracy]:.2f}. The other leaves the digits on its way, so that get itself reads {mnist[latent_shift][write_accuracy_own]:.2f}, the judge {mnist[latent_shift][write_accuracy]:.2f}.
* `cotrained_manipulator` colludes: get reads {mnist[cotrained_manipulator][write_accuracy_own]:.2f} of what put writes, the judge {mnist[cotrained_manipulator][write_accuracy]:.2f}.
* `conditional_wgan_gp` and `cycle_gan` are not done in this time: one writes {mnist[conditional_wgan_gp][write_accuracy]:.2f} in blots, the other copies.
* `symmetric_manipulator` edits by way of another sort of images and back, and a third of the edits are not read as wanted.

{tables}

One more editor of digits next to these: the classifier that they start from and the judges that read them are in git too,
so that with them in place DVC trains and measures nothing but the new entry of params.yaml:

    cd studies/manipulators
    cp -R readers/. models/ && dvc commit train@mnist-classifier train@mnist-judge_1 train@mnist-judge_2 train@mnist-judge_3
    dvc repro evaluate@mnist-NAME

## What goes wrong, and how it shows

![A row of digits, and their edits by recipes that fail](manipulators/failures.png)

`manipulator` after 600 steps, and recipes that differ from it in one thing (the classifiers of the two rows on get have had
600 steps too; the last row is `sampling_manipulator` with `independent` at a weight of 200 from the first step on, in the
place of 40 that comes late):

{failures}

| symptom | cause | in the picture | what helps |
|---|---|---|---|
| own get reads every edit, the judge few (`collusion_gap`) | get pleased by marks | get of clean images | `robust`, `unsure`; noise before get; more of them, not less of put |
| strokes of the source remain | get is certain too early | get never unsure | `unsure`, `law` |
| every edit to `a` is one image (`coverage_edit` near 0) | `undo` and `getput` too weak beside `putget` | reconstruction 0.2 | `reconstruction` up, `smoothing` up |
| put returns its input (`write_accuracy` near 0) | the reverse | reconstruction 5,000 | `reconstruction` down, or more steps |
| edits look right, and all alike: `precision_edit` high, `coverage_edit` low | too little room for the rest | a code of 2 numbers | `latent` up |
| the rest is lost (`getput_mse` and `undo_mse` high), `keep` and `independent` are 0 | a comp that keeps nothing solves both | independent at once | `independent` smaller, or later |
| edits are odd shapes: `precision_edit` low, reconstructions fine | the rest tells the value | | `independent` |
| `undo_mse` stays high whatever is done | the next section | | |
| a put of sentences changes no word, `putget` stays at its start | it is sure to keep words, and learns nothing else | | `repair` |
| sentences are copied (`getput_word_error` low), and yet `pipeline edit` to the value that they have changes them | put tells by get's doubt what it is asked | | `decided` |
| edits are common words alone: `perplexity_ratio` far below 1 | the model of speech knows its examples by heart | | `typical` down, fewer steps |
| an edit that needs more words loses one ("often praised" becomes "never praised") | word by word, places cannot agree to make room | | `complement_sentence_manipulator` |

## When not to

* **What one value has and another lacks.** Undo asks for as many ways of being `a` as of being `b`. A face without glasses
  has no style of glasses: writing `none` has to forget it, or to hide it in the picture, which is what a strict `undo`
  teaches. With fibres of 2 and 3 images there are 72 lenses and none that undoes (`pipeline count manipulator --fibres
  2,3`). Expect the forgotten part to come back as one style; a law that is matched, or a lens, is the honest choice.
* **Values that go with the rest.** Where an attribute is correlated with others in the data, `independent` and `law` ask
  for edits whose rest has the law of the whole, not of those that have the value.
* **A classifier that nobody can trust.** put does what get reads. If get is wrong on a tenth of the images, so are edits.
* **Much variety a class, few examples.** The code is small (32 numbers here, 64 of faces) and the loss is a squared error: texture is
  lost. Look at `fid_edit` of unedited reconstructions before blaming the equations.
"""


def page() -> str:
    """What the metrics in git say, and what has been drawn."""
    sheets = {name: (DRAWN / f"{name}.md").read_text(encoding="utf-8").strip() for name in SHEETS}
    found = {place: measured(root) for place, root in (("main", Path()), ("mnist", STUDY))}
    return TEXT.format(**sheets, **found, tables=tables(STUDY, DRAWN), lens=4096, undo=8, putput=4)


def measured(root: Path) -> dict[str, Found]:
    """The metrics of the systems on digits, by their names."""
    return {path.stem: read_json(path) for path in sorted((root / "metrics" / "mnist").glob("*.json"))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--draw", action="store_true", help="edit test examples by the study's champions first")
    arguments = parser.parse_args()
    if arguments.draw:
        draw(STUDY, DRAWN)
    write_text(arguments.file, page())


if __name__ == "__main__":
    main()
