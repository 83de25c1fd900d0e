"""Train an experiment of params.yaml; its curves go to MLflow live, if that can be reached."""

from pathlib import Path

from flows import stage
from pipeline.params import Params


def steps(key: str, params: Params, root: Path) -> dict[str, stage.Step]:
    from pipeline import tracking, training

    experiment = params.experiment(key)

    def fit() -> stage.Record:
        with tracking.live(key, experiment.data, experiment.system, (experiment, params.seed), root) as run:
            training.fit(key, params, root, on_step=run.log)
        return stage.Record(mlflow_run_id=run.run_id)

    return {"fit": fit}


if __name__ == "__main__":
    stage.main("train", steps, "the experiment's key in params.yaml, e.g. mnist-manipulator")
