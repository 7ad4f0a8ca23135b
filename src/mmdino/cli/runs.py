"""Training, predicting and measuring, as jobs or by hand."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmdino.cli.options import Experiment, Out, ResultsIfSaid, Seed, SliceFolders, Splits, StudyFile
from mmdino.errors import UserError

PANEL = "Runs"
verbs = typer.Typer()


@verbs.command(rich_help_panel=PANEL)
def train(
    study: StudyFile,
    experiment: Experiment,
    seed: Seed,
    slices: SliceFolders,
    splits: Splits,
    out: Out,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes that make batches ahead.")] = 0,
    processes: Annotated[int, typer.Option("--processes", min=1, help="That share every batch, one a GPU.")] = 1,
) -> None:
    """Train one experiment with one seed into the folder --out, or go on where it was stopped."""
    from mmdino.config import load_study
    from mmdino.training.fit import fit

    loaded = load_study(study)
    resolved = loaded.resolved(experiment)
    fit(opened(loaded, experiment, seed, slices, splits, out), resolved["method"], resolved, workers, processes)


@verbs.command(rich_help_panel=PANEL)
def adopt(
    study: StudyFile,
    experiment: Experiment,
    trained: Annotated[Path, typer.Option("--trained", help="The folder of that run, of the same seed.")],
    out: Out,
) -> None:
    """Take over the weights of another experiment, whose training is the same, into the folder --out."""
    from mmdino.config import load_study
    from mmdino.training.adopt import adopt as take_over

    loaded = load_study(study)
    base = loaded.trained_as.get(experiment)
    take_over(trained, out, loaded.resolved(experiment), loaded.resolved(base) if base else None)


@verbs.command(rich_help_panel=PANEL)
def tune(
    study: StudyFile,
    experiment: Experiment,
    slices: SliceFolders,
    splits: Splits,
    out: Annotated[Path, typer.Option("--out", help="The search's folder, results/<study>/tuning/<experiment>.")],
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="Else the study's `evaluation.trials`.")] = None,
) -> None:
    """Search an experiment's settings on validation, or go on where the search was stopped."""
    import yaml

    from mmdino.config import load_study
    from mmdino.training.tune import tune as search

    loaded = load_study(study)
    run = opened(loaded, experiment, loaded.seeds(experiment)[0], slices, splits, out, test=False)
    budget = trials or loaded.study.evaluation.trials
    found = search(loaded.experiment(experiment), run.settings, run.patients, run.seed, budget, out)
    typer.echo(yaml.safe_dump(found, sort_keys=False).rstrip())
    lines = yaml.safe_dump({"tuned": {experiment: found["best"]["settings"]}}, sort_keys=False).rstrip()
    typer.echo(f"To use it, add below `tuned` in {study} (once in the file, for all experiments):\n{lines}")


@verbs.command(rich_help_panel=PANEL)
def predict(
    study: StudyFile, experiment: Experiment, seed: Seed, slices: SliceFolders, splits: Splits, out: Out
) -> None:
    """Predict validation and test patients under every set of sequences, from the run in the folder of --out."""
    from mmdino.config import load_study
    from mmdino.evaluation.predict import predict as predict_run
    from mmdino.files import read_json
    from mmdino.tables import PREDICTIONS, write_table

    loaded = load_study(study)
    run = opened(loaded, experiment, seed, slices, splits, out.parent)
    method = loaded.experiment(experiment).method
    frame = predict_run(run, method, loaded.study.evaluation.protocols)
    frame.attrs["content_key"] = read_json(out.parent / "run.json")["content_key"]  # of the training that it asked
    write_table(PREDICTIONS, frame, out)


@verbs.command(rich_help_panel=PANEL)
def evaluate(study: StudyFile, predictions: Annotated[Path, typer.Option("--predictions")], out: Out) -> None:
    """Compute a run's metrics, with intervals, from its predictions."""
    from mmdino.config import load_study
    from mmdino.evaluation.evaluate import evaluate as evaluate_run

    evaluate_run(predictions, out, load_study(study, check=False).study.evaluation.bootstrap)


@verbs.command(
    rich_help_panel=PANEL,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
)
def submit(
    context: typer.Context,
    name: Annotated[str, typer.Option("--name", help="The job's name.")],
    jobs: Annotated[Path, typer.Option("--jobs", help="The folder of the job's files and logs.")],
    cluster: Annotated[
        Literal["slurm", "local", "debug"],
        typer.Option("--cluster", help="local: a process of its own; debug: this one."),
    ] = "local",
    cpus: Annotated[int, typer.Option("--cpus", min=1, help="At most; a method may make use of fewer.")] = 1,
    gpus: Annotated[int, typer.Option("--gpus", min=0, help="At most; a method may make use of fewer, or none.")] = 0,
    memory_gb: Annotated[int | None, typer.Option("--memory-gb", min=1, help="Else what the method declares.")] = None,
    minutes: Annotated[int | None, typer.Option("--minutes", min=1, help="Else what the method declares.")] = None,
    nodes: Annotated[int, typer.Option("--nodes", min=1, help="That train together, each with its GPUs.")] = 1,
    slurm: Annotated[list[str], typer.Option("--slurm", help="An option of sbatch, e.g. partition=gpu; repeat.")] = [],  # noqa: B006
    slurm_cpu: Annotated[
        list[str], typer.Option("--slurm-cpu", help="The same, in their place where the method computes on no GPU.")
    ] = [],  # noqa: B006
    together: Annotated[
        Path | None, typer.Option("--together", help="A folder of job arrays: jobs that start together go in as one.")
    ] = None,
) -> None:
    """Run another verb as a job and wait for it: mmdino submit --name … --jobs … -- train --study … ."""
    from mmdino.launch.resources import Resources, declared, depends_on
    from mmdino.launch.run import run_job

    wrong = [pair for pair in (*slurm, *slurm_cpu) if pair and "=" not in pair]
    if wrong:
        raise UserError(f"mmdino submit: --slurm and --slurm-cpu take name=value, and not '{wrong[0]}'")
    if nodes > 1 and cluster != "slurm":
        raise UserError("mmdino submit: --nodes needs --cluster slurm; this machine is one node")
    needs = declared(context.args)
    asked = needs.given(cpus, gpus)
    options = slurm_cpu if slurm_cpu and not asked.gpus else slurm
    resources = Resources(
        cluster,
        asked.cpus,
        asked.gpus,
        memory_gb or asked.memory_gb,
        minutes or asked.minutes,
        nodes if needs.gpus > 1 else 1,  # who shares no batch among GPUs shares none among nodes
        {key: value for key, _, value in (pair.partition("=") for pair in options if pair)},
    )
    run_job(["mmdino", *context.args], jobs, name, resources, together, depends_on(context.args))


@verbs.command(rich_help_panel=PANEL)
def status(
    study: StudyFile,
    results: ResultsIfSaid = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every ten seconds, until Ctrl-C.")] = False,
) -> None:
    """Show every run of a study: state, job, node, step, loss, speed, time left, GPU hours, last error."""
    from mmdino.config import load_study
    from mmdino.config.chosen import chosen_results
    from mmdino.launch.status import show

    loaded = load_study(study)
    show(loaded, results or chosen_results(loaded.study.name), watch)


def opened(loaded, experiment: str, seed: int, slices: list[Path], splits: Path, folder: Path, test: bool = True):
    """Return a run with its patients: slice banks and splits as the command line names them."""
    from mmdino.dataset.bank import SliceBank
    from mmdino.dataset.patients import Patients
    from mmdino.methods.base import Run
    from mmdino.tables import SPLITS, read_table

    settings = loaded.settings(experiment)
    bank = SliceBank.open(slices, getattr(settings, "planes", None))
    if bank.kind != settings.reads:
        raise UserError(
            f"{slices[0]}: is a bank of {bank.kind}, and '{experiment}' reads {settings.reads}; give the folders that "
            f"`mmdino {settings.reads}` wrote"
        )
    known = read_table(SPLITS, splits)
    asked = known if test else known[known["split"] != "test"]
    patients = Patients(bank, asked, loaded.experiment(experiment).data)
    return Run(settings, seed, folder, patients)
