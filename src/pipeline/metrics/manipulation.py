"""How well an editor edits: what an independent judge reads, what is kept, and how far the laws of put are from holding.

    write      judge(put(s, a)) == a
    getput     put(s, get(s)) == s
    undo       put(put(s, a), get(s)) == s
    putput     put(put(s, a), b) == put(s, b)

A judge reads a value whose probability is over half way from chance to certainty, and else nothing (`accuracy.sure`).
All results are by key (docs/metrics.md). `mean` makes the entries of a key from one number per example.
"""

from collections.abc import Callable

from torch import Tensor

from pipeline.data.renderers import Reader, Rendering, kept, nearest_truth
from pipeline.metrics import style
from pipeline.metrics.accuracy import NONE, agreed, readings, sure
from pipeline.metrics.inputs import check_images, check_labels

Results = dict[str, float]
Mean = Callable[[str, Tensor], Results]
Put = Callable[[Tensor, Tensor], Tensor]


def squared_error(images: Tensor, targets: Tensor) -> Tensor:
    """Mean over pixels: (n, *shape), (n, *shape) -> (n,)."""
    return (images - targets).square().flatten(1).mean(1)


def written(judged: Tensor, other: Tensor, own: Tensor | None, targets: Tensor, mean: Mean) -> Results:
    """What is read of edits: write_accuracy, accepted_edit, judge_agreement; and with an own get, collusion_gap.

    judged, other, own: probabilities (n, values) that the judge, the other judge and the editor's own get give to the
    edits; targets: the values that were to be written (n,). The gap has two parts: marks that only the own get can see,
    and images that the judge's guard takes for none of the data. Raises UserError for targets that do not fit.
    """
    check_labels("targets", targets, len(judged), judged.shape[1])
    right, read = sure(judged, targets), readings(judged)
    found = mean("write_accuracy", right) | mean("accepted_edit", read != NONE)
    found |= mean("judge_agreement", agreed(read, readings(other)))
    if own is None:
        return found
    by_itself = sure(own, targets)
    return found | mean("write_accuracy_own", by_itself) | mean("collusion_gap", by_itself.double() - right.double())


def laws(put: Put, images: Tensor, own: Tensor, targets: Tensor, again: Tensor, mean: Mean) -> Results:
    """getput_mse, undo_mse and putput_mse: mean squared differences of pixels in 0..1; down.

    own: what get reads of the images, probabilities (n, values); targets, again: two different values to write, (n,).
    """
    check_images("images", images)
    edits = put(images, targets)
    check_images("edits", edits, tuple(images.shape[1:]))
    return (
        mean("getput_mse", squared_error(put(images, own), images))
        | mean("undo_mse", squared_error(put(edits, own), images))
        | mean("putput_mse", squared_error(put(edits, again), put(images, again)))
    )


def style_kept(images: Tensor, edits: Tensor, labels: Tensor, targets: Tensor, seed: int) -> Results:
    """style_<probe> and information_<probe> for every probe of `style`: what an edit keeps where no truth exists."""
    found: Results = {}
    for name, probe in style.PROBES.items():
        before, after = probe(images), probe(edits)
        found |= style.preserved(before, after, labels, targets).entries(f"style_{name}")
        found[f"information_{name}"] = style.information(before, after, labels, targets, seed)
    return found


def truth_kept(
    rendering: Rendering, reader: Reader, edits: Tensor, rows: Tensor, targets: Tensor, mean: Mean
) -> Results:
    """preservation_mse and preservation_other_accuracy, where images are rendered.

    The first is the squared error, pixels in 0..1, against the exact edit (the nearest of them, where the edit leaves
    something free); down. The second is the share of the other factors that an independent reader finds as they were;
    up. edits: (n, 3, size, size); rows: the factors of the images that were edited (n, k); targets: (n,).
    """
    errors, _ = nearest_truth(rendering, edits, rows, targets)
    counted = kept(rendering, rows, targets)
    same = (reader(edits).rows == rows) & counted
    return mean("preservation_mse", errors) | mean(
        "preservation_other_accuracy", same.double().sum(1) / counted.double().sum(1)
    )
