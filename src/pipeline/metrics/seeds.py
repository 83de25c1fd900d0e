"""Several trainings of one system that differ by their seed: one result, and what the seed changes."""

import math
import re
from collections.abc import Mapping, Sequence

from scipy import stats

from pipeline.errors import UserError
from pipeline.metrics.intervals import Estimate
from pipeline.metrics.keys import metrics


def over_seeds(values: Sequence[float]) -> Estimate:
    """The mean of one value a seed, with its 95% interval by Student's t: mean +- t(0.975, n - 1) sd / sqrt(n).

    It is an interval for a mean, so it may reach past what a single value can be. Raises UserError for fewer than two
    values, or one that is not finite.
    """
    if len(values) < 2:
        raise UserError(f"seeds: {len(values)} given; an interval over seeds needs at least 2")
    if not all(math.isfinite(value) for value in values):
        raise UserError("seeds: a value is NaN or infinite; measure again what it comes from")
    mean = math.fsum(values) / len(values)
    if min(values) == max(values):
        return Estimate(values[0], values[0], values[0])
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return Estimate(mean, mean - reach, mean + reach)


def combine(results: Sequence[Mapping[str, float | str]], seeds: Sequence[int]) -> dict[str, float | str]:
    """The results of one system's trainings, one a seed, as one flat result.

    Of each metric: the mean under its key, `<key>_low` and `<key>_high` (see `over_seeds`; the intervals of the single
    trainings are left out) and `<key>_seed_<s>`, the single values. `seeds` says how many. Words, and whole numbers on
    which all agree, such as `parameters`, stay as they are.

    Raises UserError, naming key and seed, if words differ, a key is missing for a seed, a value is not a finite number,
    a seed comes twice, or there are fewer than two.
    """
    _check_seeds(results, seeds)
    names = sorted(set().union(*(metrics(result) for result in results)))
    combined: dict[str, float | str] = {"seeds": len(seeds)}
    for name in names:
        combined |= _combined(name, {seed: result.get(name) for seed, result in zip(seeds, results, strict=True)})
    return combined


def by_seed(results: Mapping[str, float | str], key: str) -> dict[int, float]:
    """The single values of a metric, by seed; empty if there are none."""
    named = re.compile(re.escape(key) + r"_seed_(\d+)")
    found = ((named.fullmatch(name), value) for name, value in results.items())
    return {int(match[1]): value for match, value in found if match and not isinstance(value, str)}


def _check_seeds(results: Sequence[Mapping[str, float | str]], seeds: Sequence[int]) -> None:
    if len(results) != len(seeds):
        raise UserError(f"seeds: {len(seeds)} given for {len(results)} results; give one seed for each")
    if len(seeds) < 2:
        raise UserError(f"seeds: {len(seeds)} given; an interval over seeds needs at least 2")
    twice = sorted({seed for seed in seeds if list(seeds).count(seed) > 1})
    if twice:
        raise UserError(f"seeds: {twice[0]} is given more than once; each training needs a seed of its own")
    done = [seed for seed, result in zip(seeds, results, strict=True) if "seeds" in result]
    if done:
        raise UserError(f"seed {done[0]}: its result is a mean over seeds already; give results of single trainings")


def _combined(name: str, values: Mapping[int, float | str | None]) -> dict[str, float | str]:
    """What becomes of one key."""
    for seed, value in values.items():
        if value is None:
            raise UserError(f"{name}: missing for seed {seed}; measure all seeds alike")
        if not isinstance(value, str) and not math.isfinite(value):
            raise UserError(f"{name}: {value} for seed {seed}; measure it again")
    first, same = next(iter(values.values())), len(set(values.values())) == 1
    if same and isinstance(first, str | int):
        return {name: first}
    words = [value for value in values.values() if isinstance(value, str)]
    if words:
        told = ", ".join(f"{value} for seed {seed}" for seed, value in values.items())
        raise UserError(f"{name}: {told}; only trainings measured alike can be combined")
    numbers = {seed: float(value) for seed, value in values.items()}
    estimate = over_seeds(list(numbers.values()))
    return {**estimate.entries(name), **{f"{name}_seed_{seed}": value for seed, value in numbers.items()}}
