"""The one training loop: any system, any phases, on a CPU or a GPU; killed at any moment, it goes on where it was.

Everything random is a function of (seed, step), so a checkpoint holds weights, optimiser and step, and a run that was
interrupted ends with the same bits as one that was not.
"""

import csv
import dataclasses
import hashlib
import io
import math
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

import pipeline
from pipeline import data, systems
from pipeline.errors import UserError
from pipeline.files import read_json, whole_folder, write_text, write_whole
from pipeline.language import Draws, Phase, Program, TaskError, compile_task
from pipeline.params import Params
from pipeline.progress import progress
from pipeline.systems.base import Recipe, System

SECONDS_BETWEEN_CHECKPOINTS = 15.0
ROWS = 200  # of curves.csv: losses are averaged over a 200th of the steps

OnStep = Callable[[int, Mapping[str, float]], None]


class NonFiniteLoss(UserError):
    """An equation's loss became infinite or not a number; the message names the equation and the step."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One training.

    key: what messages and checkpoints call it; config: all that it takes to build the system, the content of
    config.json but for the results; prepared, split: the examples; target: the model's folder; given: that of the
    trained model that the system starts from; source: the user's file that it is made from.
    """

    key: str
    config: Mapping[str, Any]
    prepared: Path
    split: str
    target: Path
    given: Path | None = None
    source: Path | None = None


def fit(key: str, params: Params, root: Path, on_step: OnStep | None = None, target: Path | None = None) -> None:
    """Train the experiment `key` and write the model to `target` (models/<data>/<system>/ if absent).

    Raises UserError for an unknown experiment, and as `train` does.
    """
    experiment = params.experiment(key)
    prepared = root / "data" / "prepared" / experiment.data
    given = root / experiment.given
    # All of them: a default that changes must not change what an old model is built as.
    settings = systems.settings(experiment.system, experiment.settings).model_dump()
    job = Job(
        key,
        describe(experiment.system, experiment.data, settings, prepared, given, params),
        prepared,
        experiment.split,
        target or root / "models" / experiment.data / experiment.system,
        given if (given / "config.json").exists() else None,
    )
    train(job, params, root, on_step)


def train(job: Job, params: Params, root: Path, on_step: OnStep | None = None) -> None:
    """Train what the job says, and write the model to its target.

    on_step: called now and then with the step and the mean loss of each equation since the last call.
    Raises UserError for missing inputs, more examples a step than there are, or a loss that is not finite.
    """
    try:
        _train(job, params, root, on_step)
    except TaskError as error:
        raise UserError(f"{job.key}: {error}") from None


def _train(job: Job, params: Params, root: Path, on_step: OnStep | None) -> None:
    device = prepare_device(params.threads)
    split, config = data.load(job.prepared, job.split), job.config
    inputs = systems.inputs_of(config).bound(split.images, split.labels)
    code = files_of_users(job)
    system = systems.build(config, inputs, code[0].parent if code else None)
    if job.given:
        take_weights(system, systems.load(job.given).system)

    made_from = [path for path in (job.prepared, job.given, *code) if path]
    print_key = fingerprint({**config, "split": job.split}, params, *made_from)
    checkpoint = root / "checkpoints" / job.key / f"{print_key}.pt"
    run = Run(system, systems.recipe(config), config["seed"], device, checkpoint)
    curves = run.train(job.key, on_step)

    with whole_folder(job.target) as model:
        systems.save(model, {**config, "parameters": system.parameters}, system)
        write_curves(model / "curves.csv", curves)
        for path in code:
            shutil.copyfile(path, model / path.name)
    # Only this run's: another with other settings may be under way, or interrupted.
    checkpoint.unlink(missing_ok=True)
    with suppress(OSError):
        checkpoint.parent.rmdir()


def files_of_users(job: Job) -> list[Path]:
    """The user's code that the model is made from: its own file, or that of the model which it starts from."""
    if job.source:
        return [job.source]
    given = job.config["given"]
    while given and "file" not in given:
        given = given["given"]
    return [job.given / given["file"]] if job.given and given else []


def prepare_device(threads: int) -> torch.device:
    """The GPU if there is one; on a CPU so many threads, always, since their number changes the last bits."""
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = torch.cuda.is_available()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def describe(
    system: str, data_set: str, settings: Mapping[str, Any], prepared: Path, given: Path | None, params: Params
) -> dict[str, Any]:
    """All that it takes to build a system again: the content of config.json but for the results.

    prepared: the folder of the data; given: that of the trained model that it starts from, if there is one.
    """
    return {
        "system": system,
        "data": data_set,
        "settings": dict(settings),
        **data.info(prepared).config,
        "seed": params.seed,
        "recipe_version": params.recipe_version,
        "given": read_json(given / "config.json") if given and (given / "config.json").exists() else None,
    }


def take_weights(system: System, given: System) -> None:
    """Copy the weights of the learners that `system` has from the trained system that it starts from, by name."""
    trained = {learner.name: learner for learner in given.kept}
    own = {learner for phase in system.phases for learner in phase.task.trained}
    used = (learner for phase in system.phases for learner in phase.task.learners)
    for learner in dict.fromkeys((*system.kept, *used)):
        if learner.name in trained and learner not in own:
            learner.module.load_state_dict(trained[learner.name].module.state_dict())


def fingerprint(config: Mapping[str, Any], params: Params, *made_from: Path) -> str:
    """What a checkpoint depends on: settings, code, the number of threads, and files or folders of weights and data."""
    digest = hashlib.sha256(repr((config, params.threads, torch.__version__)).encode())
    code = Path(pipeline.__file__).parent
    files = [file for part in ("language", "nets", "systems") for file in (code / part).rglob("*.py")]
    for path in made_from:
        files += path.glob("*.safetensors") if path.is_dir() else [path]
    for file in sorted({*files, Path(__file__)}):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:20]


def write_curves(path: Path, rows: list[dict[str, float]]) -> None:
    """curves.csv: step, then one column per equation (empty in phases without it)."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: v if k == "step" else f"{v:.6g}" for k, v in row.items()} for row in rows)
    write_text(path, text.getvalue())


def moving_average(module: nn.Module, decay: float) -> AveragedModel:
    """The exponential moving average of the weights; at first over fewer steps, so that it forgets its start."""

    def update(averages: Any, weights: Any, seen: torch.Tensor) -> None:
        count = float(seen)
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + count) / (10 + count)))

    return AveragedModel(module, multi_avg_fn=update)


@dataclasses.dataclass
class State:
    """Where training is: `phase` and `step` are to be done next; `rows` of the curves so far."""

    phase: int = 0
    step: int = 0
    rows: list[dict[str, float]] = dataclasses.field(default_factory=list)


class Run:
    """One training run of a system, resumable from its checkpoint file."""

    def __init__(self, system: System, recipe: Recipe, seed: int, device: torch.device, checkpoint: Path) -> None:
        self.system, self.recipe, self.seed, self.device, self.checkpoint = system, recipe, seed, device, checkpoint
        # By number, since torch has no room for a module called `values` or `train`.
        used = {each.name: each.module for phase in system.phases for each in phase.task.learners}
        self.learners = nn.ModuleList(used.values())
        self.learners.to(device)
        self.state = State()

    def train(self, title: str, on_step: OnStep | None = None) -> list[dict[str, float]]:
        """Train all phases, from the checkpoint if there is one; returns the curves. The weights are in the system."""
        saved = self._saved()
        total = sum(phase.steps for phase in self.system.phases)
        done = sum(phase.steps for phase in self.system.phases[: self.state.phase]) + self.state.step
        if saved:
            print(f"{title}: going on from step {done} of {total}", flush=True)
        with progress(title, total, done) as advance:
            while self.state.phase < len(self.system.phases):
                phase = self.system.phases[self.state.phase]
                self._train_phase(phase, saved, advance, on_step)
                saved = None
                self.state.phase, self.state.step = self.state.phase + 1, 0
        self.learners.to("cpu")
        return self.state.rows

    def _train_phase(self, phase: Phase, saved: dict[str, Any] | None, advance: Any, on_step: OnStep | None) -> None:
        program = compile_task(phase.task, merge=self.device.type == "cuda")
        optimiser = torch.optim.Adam(program.parameters, lr=self.recipe.learning_rate, fused=True)
        trained = nn.ModuleList(learner.module for learner in phase.task.trained)
        average = moving_average(trained, self.recipe.ema) if self.recipe.ema else None
        if saved:
            optimiser.load_state_dict(saved["optimiser"])
            if average:
                average.load_state_dict(saved["average"])
        window = max(1, phase.steps // ROWS)
        losses: list[torch.Tensor] = []
        saved_at = time.monotonic()
        for step in range(self.state.step, phase.steps):
            losses.append(self._step(program, optimiser, phase, step))
            if average:
                average.update_parameters(trained)
            if (step + 1) % window and step + 1 < phase.steps:
                continue
            row = self._close_window(phase, step, losses)
            advance(len(losses), "  ".join(f"{name} {row[name]:.4g}" for name in phase.task.equations))
            losses = []
            if on_step:
                on_step(row["step"], {name: value for name, value in row.items() if name != "step"})
            if time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS:
                self._save(step + 1, optimiser, average)
                saved_at = time.monotonic()
        if average:
            trained.load_state_dict(average.module.state_dict())

    def _step(self, program: Program, optimiser: torch.optim.Optimizer, phase: Phase, step: int) -> torch.Tensor:
        """One gradient step; the losses, in the order of the equations, stay on the device."""
        for group in optimiser.param_groups:
            group["lr"] = self._learning_rate(step, phase.steps)
        shown: dict[str, torch.Tensor] = {}
        half = self.recipe.precision == "bfloat16" and self.device.type == "cuda"
        for turn, move in enumerate(program.moves):
            draws = Draws(self.seed, step * len(program.moves) + turn, self.recipe.batch_size, self.device)
            # Dropout and the like take their chance from here, so that it is a function of (seed, step) too.
            torch.manual_seed(draws.generator("boxes").initial_seed())
            with torch.autocast("cuda", torch.bfloat16) if half else nullcontext():
                losses = move.losses(draws)
            move.backward(losses, step / phase.steps)
            optimiser.step()
            optimiser.zero_grad()
            shown.update({name: loss.detach() for name, loss in losses.items()})
        return torch.stack([shown[name] for name in phase.task.equations])

    def _learning_rate(self, step: int, steps: int) -> float:
        warm = min(1.0, (step + 1) / max(1, self.recipe.warm_up))
        return self.recipe.learning_rate * warm * (1 - step / steps)

    def _close_window(self, phase: Phase, step: int, losses: list[torch.Tensor]) -> dict[str, float]:
        """The mean losses since the last row, as a new row of the curves. Raises NonFiniteLoss."""
        table = torch.stack(losses).double().cpu()
        for at, values in enumerate(table.tolist(), start=step + 2 - len(losses)):
            for name, value in zip(phase.task.equations, values, strict=True):
                if not math.isfinite(value):
                    raise NonFiniteLoss(
                        f"equation `{name}` has loss {value} at step {at} of phase `{phase.name}`: "
                        "a smaller learning_rate or weight may help"
                    )
        before = sum(each.steps for each in self.system.phases[: self.state.phase])
        row = {"step": before + step + 1, **dict(zip(phase.task.equations, table.mean(0).tolist(), strict=True))}
        self.state.rows.append(row)
        return row

    def _save(self, step: int, optimiser: torch.optim.Optimizer, average: AveragedModel | None) -> None:
        self.state.step = step
        content = {
            "state": dataclasses.asdict(self.state),
            "learners": self.learners.state_dict(),
            "optimiser": optimiser.state_dict(),
            "average": average.state_dict() if average else None,
        }
        # Through memory: torch's own writer turns a full disk into an error that does not say so.
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_whole(self.checkpoint, lambda part: part.write_bytes(buffer.getbuffer()))

    def _saved(self) -> dict[str, Any] | None:
        """The checkpoint's content, its weights and state already taken over; None if there is none of this run."""
        if not self.checkpoint.exists():
            return None
        try:
            saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            self.state = State(**saved["state"])
            self.learners.load_state_dict(saved["learners"])
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise UserError(f"{self.checkpoint}: damaged checkpoint ({reason}); delete it to train anew") from None
        return saved
