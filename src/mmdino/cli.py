"""The command line: a verb a step, in the order of use. Everything heavy is imported by the verb that needs it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mmdino.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="MM-DINOv2 Bench: from raw glioma MRI cohorts to a report. Each verb is one step; Snakemake calls them in order "
    "(`snakemake --profile profiles/local`).",
)
DATA, RUNS, LOOK, MAKE = "Data, in order of use", "Runs", "Looking", "Making what the project carries"
cohorts = typer.Typer(no_args_is_help=True, help="The cohorts as downloaded.")
app.add_typer(cohorts, name="cohorts", rich_help_panel=DATA)

StudyFile = Annotated[Path, typer.Option("--study", help="The study's YAML, e.g. config/studies/phantom.yaml.")]
CohortName = Annotated[str, typer.Option("--cohort", help="A cohort of the study.")]
Out = Annotated[Path, typer.Option("--out", help="What is written.")]
Experiment = Annotated[str, typer.Option("--experiment", help="An experiment of the study.")]
Seed = Annotated[int, typer.Option("--seed", help="The run's seed.")]
Splits = Annotated[Path, typer.Option("--splits", help="splits.tsv.")]
Results = Annotated[Path, typer.Option("--results", help="results/<study>.")]
SliceFolders = Annotated[list[Path], typer.Option("--slices", help="A cohort's slice bank; repeat for each cohort.")]


@app.command(rich_help_panel=DATA)
def phantom(
    study: StudyFile,
    cohort: CohortName,
    out: Annotated[Path, typer.Option("--out", help="The cohort's folder of scans.")],
    truth: Annotated[Path, typer.Option("--truth", help="The folder of the truth, for tests and the report only.")],
) -> None:
    """Make a phantom cohort: synthetic patients, laid out as a downloaded cohort."""
    from mmdino.config import load_study
    from mmdino.phantom.cohort import write_cohort

    chosen = load_study(study, check=False).cohort(cohort)
    if chosen.phantom is None:
        raise UserError(f"{study}: cohort '{cohort}' is found on disk ('path'), not made; there is nothing to do")
    write_cohort(cohort, chosen.phantom, chosen.stage, out, truth)


@cohorts.command()
def check(paths: Annotated[list[Path], typer.Argument(help="Folders of unpacked cohorts.")]) -> None:
    """Say what lies in each folder: whose cohort, what is missing, labels, counts against the published ones."""
    from mmdino.cohorts.common.check import check_folders

    typer.echo("\n\n".join(check_folders(paths)))


@app.command(rich_help_panel=DATA)
def manifest(
    study: StudyFile,
    cohort: CohortName,
    root: Annotated[Path, typer.Option("--root", help="Where the cohort lies.")],
    out: Out,
) -> None:
    """List what a cohort holds on disk: a row a session."""
    from mmdino.cohorts import build_manifest
    from mmdino.config import load_study
    from mmdino.tables import MANIFEST, write_table

    loaded = load_study(study, check=False)
    write_table(MANIFEST, build_manifest(cohort, loaded.cohort(cohort), root, loaded.study.labels), out)


@app.command(rich_help_panel=DATA)
def preprocess(
    study: StudyFile,
    cohort: CohortName,
    manifest: Annotated[Path, typer.Option("--manifest", help="The cohort's manifest.tsv.")],
    shard: Annotated[int, typer.Option("--shard", min=0, help="Which of the study's shards.")],
    derivatives: Annotated[Path, typer.Option("--derivatives", help="The folder of the BIDS derivatives.")],
    out: Out,
) -> None:
    """Register, skull-strip and segment the patients of one shard."""
    from mmdino.config import load_study
    from mmdino.files import bucket
    from mmdino.preprocess.shard import run_shard
    from mmdino.tables import MANIFEST, PREPROCESSED, read_table, write_table

    loaded = load_study(study, check=False)
    rows = read_table(MANIFEST, manifest)
    mine = [bucket(subject, loaded.study.shards) == shard for subject in rows["subject"]]
    done = run_shard(cohort, loaded.cohort(cohort), loaded.study.preprocess, rows[mine], derivatives)
    write_table(PREPROCESSED, done, out)


@app.command(rich_help_panel=DATA)
def gather(shards: Annotated[list[Path], typer.Argument(help="Tables of preprocessed shards.")], out: Out) -> None:
    """Join the shards' tables of preprocessed sessions."""
    import pandas as pd

    from mmdino.tables import PREPROCESSED, read_table, write_table

    joined = pd.concat([read_table(PREPROCESSED, shard) for shard in shards])
    write_table(PREPROCESSED, joined.sort_values("subject"), out)


@app.command(rich_help_panel=DATA)
def fingerprint(
    preprocessed: Annotated[Path, typer.Option("--preprocessed", help="A cohort's preprocessed.tsv.")], out: Out
) -> None:
    """Describe a cohort's brains in a few numbers each, by which copies are found."""
    from mmdino.leakage.fingerprint import fingerprint as describe_cohort
    from mmdino.tables import PREPROCESSED, read_table

    describe_cohort(read_table(PREPROCESSED, preprocessed)).save(out)


@app.command(rich_help_panel=DATA)
def leakage(
    study: StudyFile,
    manifest: Annotated[list[Path], typer.Option("--manifest", help="A cohort's manifest.tsv; repeat.")],
    preprocessed: Annotated[list[Path], typer.Option("--preprocessed", help="A cohort's preprocessed.tsv; repeat.")],
    fingerprints: Annotated[list[Path], typer.Option("--fingerprints", help="A cohort's fingerprints.npz; repeat.")],
    out: Out,
    page: Annotated[Path, typer.Option("--page", help="The page of pairs that a person should look at.")],
) -> None:
    """Find patients who occur twice, in one cohort or in two."""
    import pandas as pd

    from mmdino.config import load_study
    from mmdino.leakage.audit import audit, summary
    from mmdino.leakage.fingerprint import Fingerprints
    from mmdino.leakage.page import write_page
    from mmdino.tables import LEAKAGE, MANIFEST, PREPROCESSED, read_table, write_table

    found = pd.concat([read_table(MANIFEST, path) for path in manifest])
    ready = pd.concat([read_table(PREPROCESSED, path) for path in preprocessed])
    pairs = audit(found, Fingerprints.load(fingerprints), load_study(study, check=False).study.leakage)
    write_page(pairs, ready, page)
    write_table(LEAKAGE, pairs, out)
    typer.echo("\n".join(summary(pairs)))


@app.command(rich_help_panel=DATA)
def splits(
    study: StudyFile,
    manifest: Annotated[list[Path], typer.Option("--manifest", help="A cohort's manifest.tsv; repeat.")],
    preprocessed: Annotated[list[Path], typer.Option("--preprocessed", help="A cohort's preprocessed.tsv; repeat.")],
    out: Out,
    leakage: Annotated[Path | None, typer.Option("--leakage", help="leakage.tsv, if there was an audit.")] = None,
) -> None:
    """Say who trains, who validates and who is tested: by patient."""
    import pandas as pd

    from mmdino.config import load_study
    from mmdino.dataset.splits import make_splits
    from mmdino.tables import LEAKAGE, MANIFEST, PREPROCESSED, SPLITS, read_table, write_table

    found = pd.concat([read_table(MANIFEST, path) for path in manifest])
    ready = pd.concat([read_table(PREPROCESSED, path) for path in preprocessed])
    pairs = read_table(LEAKAGE, leakage) if leakage else None
    write_table(SPLITS, make_splits(load_study(study, check=False).study, found, ready, pairs), out)


@app.command(rich_help_panel=DATA)
def slices(
    study: StudyFile,
    preprocessed: Annotated[Path, typer.Option("--preprocessed", help="A cohort's preprocessed.tsv.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the slice bank.")],
) -> None:
    """Cut a cohort's slices into the memory-mapped bank that training reads."""
    from mmdino.config import load_study
    from mmdino.dataset.build import build_bank
    from mmdino.tables import PREPROCESSED, read_table

    build_bank(read_table(PREPROCESSED, preprocessed), load_study(study, check=False).study.bank, out)


@app.command(rich_help_panel=RUNS)
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
    fit(_run(loaded, experiment, seed, slices, splits, out), resolved["method"], resolved, workers, processes)


@app.command(rich_help_panel=RUNS)
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
    run = _run(loaded, experiment, loaded.seeds(experiment)[0], slices, splits, out, test=False)
    budget = trials or loaded.study.evaluation.trials
    found = search(loaded.experiment(experiment), run.settings, run.patients, run.seed, budget, out)
    typer.echo(yaml.safe_dump(found, sort_keys=False).rstrip())


@app.command(rich_help_panel=RUNS)
def predict(
    study: StudyFile, experiment: Experiment, seed: Seed, slices: SliceFolders, splits: Splits, out: Out
) -> None:
    """Predict validation and test patients under every set of sequences, from the run in the folder of --out."""
    from mmdino.config import load_study
    from mmdino.evaluation.predict import predict as predict_run
    from mmdino.tables import PREDICTIONS, write_table

    loaded = load_study(study)
    run = _run(loaded, experiment, seed, slices, splits, out.parent)
    method = loaded.experiment(experiment).method
    write_table(PREDICTIONS, predict_run(run, method, loaded.study.evaluation.protocols), out)


@app.command(rich_help_panel=RUNS)
def evaluate(study: StudyFile, predictions: Annotated[Path, typer.Option("--predictions")], out: Out) -> None:
    """Compute a run's metrics, with intervals, from its predictions."""
    from mmdino.config import load_study
    from mmdino.evaluation.evaluate import evaluate as evaluate_run

    evaluate_run(predictions, out, load_study(study, check=False).study.evaluation.bootstrap)


@app.command(
    rich_help_panel=RUNS,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
)
def submit(
    context: typer.Context,
    name: Annotated[str, typer.Option("--name", help="The job's name.")],
    jobs: Annotated[Path, typer.Option("--jobs", help="The folder of the job's files and logs.")],
    cluster: Annotated[
        str, typer.Option("--cluster", help="slurm, local (a process), or debug (this process).")
    ] = "local",
    cpus: Annotated[int, typer.Option("--cpus", min=1)] = 1,
    gpus: Annotated[int, typer.Option("--gpus", min=0)] = 0,
    memory_gb: Annotated[int, typer.Option("--memory-gb", min=1)] = 6,
    minutes: Annotated[int, typer.Option("--minutes", min=1)] = 720,
    slurm: Annotated[list[str], typer.Option("--slurm", help="An option of sbatch, e.g. partition=gpu; repeat.")] = [],  # noqa: B006
) -> None:
    """Run another verb as a job and wait for it: mmdino submit --name … --jobs … -- train --study … ."""
    from mmdino.launch.resources import CLUSTERS, Resources
    from mmdino.launch.run import run_job

    pairs = [pair.partition("=") for pair in slurm if pair]
    wrong = [pair for pair in pairs if not pair[1]]
    if wrong or cluster not in CLUSTERS:
        raise UserError("mmdino submit: --slurm takes name=value, and --cluster is slurm, local or debug")
    resources = Resources(cluster, cpus, gpus, memory_gb, minutes, {key: value for key, _, value in pairs})
    run_job(["mmdino", *context.args], jobs, name, resources)


@app.command(rich_help_panel=LOOK)
def oracle(
    study: StudyFile,
    splits: Splits,
    truth: Annotated[list[Path], typer.Option("--truth", help="A phantom cohort's truth; repeat.")],
    out: Out,
) -> None:
    """Compute the phantom's ceiling: what reading every sign without error would reach."""
    import pandas as pd

    from mmdino.config import load_study
    from mmdino.evaluation.evaluate import measure_all
    from mmdino.evaluation.subsets import SUBSETS
    from mmdino.files import write_json
    from mmdino.phantom.oracle import oracle_predictions
    from mmdino.tables import SPLITS, TRUTH, read_table

    chosen = load_study(study, check=False).study
    variants = {name: cohort.phantom.variant for name, cohort in chosen.cohorts.items() if cohort.phantom}
    truths = pd.concat([read_table(TRUTH, path) for path in truth])
    answers = oracle_predictions(truths, read_table(SPLITS, splits), variants, SUBSETS)
    found: dict[str, dict] = {}
    for row in measure_all(answers, chosen.evaluation.bootstrap)["metrics"]:
        if row["mcc"] is not None:
            interval = {"mcc": row["mcc"]["value"], "low": row["mcc"]["low"], "high": row["mcc"]["high"]}
            found.setdefault(row["split"], {})[row["sequences"]] = {**interval, "n": row["n"]}
    write_json(out, found)


@app.command(rich_help_panel=LOOK)
def statistics(study: StudyFile, results: Results) -> None:
    """Compute all intervals, tests and claims of a study from its predictions: results/<study>/statistics.json."""
    from mmdino.config import load_study
    from mmdino.reporting.data import gather
    from mmdino.reporting.statistics import estimate, write_statistics

    write_statistics(estimate(gather(load_study(study), results)), results)


@app.command(rich_help_panel=LOOK)
def tables(study: StudyFile, results: Results) -> None:
    """Write the tables as TSV, Markdown and LaTeX, from the statistics."""
    from mmdino.reporting.report import write_tables

    write_tables(*_found(study, results))


@app.command(rich_help_panel=LOOK)
def figures(study: StudyFile, results: Results) -> None:
    """Draw the figures as PDF, SVG and PNG, from the statistics."""
    from mmdino.reporting.drawing import write_figures

    write_figures(*_found(study, results))


@app.command(rich_help_panel=LOOK)
def report(
    study: StudyFile,
    results: Results,
    page: Annotated[bool, typer.Option("--page", help="The page alone, from statistics and figures at hand.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Another folder for all of them.")] = None,
) -> None:
    """Build statistics, tables, figures and the report from the files that are there, also of a study half done."""
    from mmdino.config import load_study
    from mmdino.reporting.report import build_report, write_page

    typer.echo(write_page(*_found(study, results)) if page else build_report(load_study(study), results, out))


@app.command(rich_help_panel=LOOK)
def status(
    study: StudyFile,
    results: Annotated[Path, typer.Option("--results", help="results/<study>.")],
    watch: Annotated[bool, typer.Option("--watch", help="Look again every ten seconds, until Ctrl-C.")] = False,
) -> None:
    """Show every run of a study: state, job, node, step, loss, speed, time left, GPU hours, last error."""
    from mmdino.config import load_study
    from mmdino.launch.status import show

    show(load_study(study), results, watch)


@app.command(rich_help_panel=LOOK)
def doctor(
    study: StudyFile,
    results: Annotated[Path, typer.Option("--results", help="Where results go.")] = Path("results"),
    cluster: Annotated[str, typer.Option("--cluster", help="slurm or local.")] = "slurm",
    profile: Annotated[Path, typer.Option("--profile", help="The profile's file.")] = Path(
        "profiles/slurm/config.yaml"
    ),
) -> None:
    """Say what this machine or cluster offers, and what would stop a study (exit code 2), before anything is queued."""
    from mmdino.config import load_study
    from mmdino.launch.doctor import examine

    found = examine(load_study(study), results, cluster, profile)
    for finding in found:
        typer.echo(f"{finding.level:5} {finding.what:16} {finding.said}")
    stops = [finding.what for finding in found if finding.level == "STOP"]
    if stops:
        raise UserError(f"{study}: would be stopped by: {', '.join(stops)}; mend the lines marked STOP")


@app.command(rich_help_panel=LOOK)
def show_config(
    study: StudyFile, experiment: Annotated[str, typer.Argument(help="An experiment of the study.")]
) -> None:
    """Print an experiment's settings as resolved in a study, each with where it comes from."""
    from mmdino.config import load_study
    from mmdino.config.show import show

    typer.echo(show(load_study(study), experiment))


@app.command(rich_help_panel=MAKE)
def starter(
    out: Out,
    work: Annotated[Path, typer.Option("--work", help="A folder for its images and checkpoints; resumes from it.")],
    patients: Annotated[int, typer.Option("--patients", min=16)] = 6000,
    mark: Annotated[list[int] | None, typer.Option("--mark", help="Steps at which an annealed copy is made.")] = None,
) -> None:
    """Train the starter network from nothing, without labels, on phantoms of no study (hours)."""
    from mmdino.starter.train import Recipe, train_starter

    recipe = Recipe(patients=patients, marks=tuple(mark)) if mark else Recipe(patients=patients)
    train_starter(work, out, recipe)


@app.command(rich_help_panel=MAKE)
def segmenter(
    out: Annotated[Path, typer.Option("--out", help="The model folder.")],
    work: Annotated[Path, typer.Option("--work", help="A folder for its training cases.")],
    patients: Annotated[int, typer.Option("--patients", min=5)] = 24,
    iterations: Annotated[int, typer.Option("--iterations", min=1)] = 1000,
) -> None:
    """Train the phantom segmenter from nothing: a real nnU-Net on whole-brain phantoms of no study."""
    from mmdino.phantom.segmenter_cases import write_cases
    from mmdino.preprocess.train_segmenter import train_segmenter

    write_cases(work, patients)
    train_segmenter(work, out, iterations=iterations)


def _found(study: Path, results: Path):
    from mmdino.config import load_study
    from mmdino.reporting.data import gather
    from mmdino.reporting.statistics import read_statistics

    return gather(load_study(study), results), read_statistics(results)


def _run(loaded, experiment: str, seed: int, slices: list[Path], splits: Path, folder: Path, test: bool = True):
    from mmdino.dataset.bank import SliceBank
    from mmdino.dataset.patients import Patients
    from mmdino.methods.base import Run
    from mmdino.tables import SPLITS, read_table

    known = read_table(SPLITS, splits)
    asked = known if test else known[known["split"] != "test"]
    patients = Patients(SliceBank.open(slices), asked, loaded.experiment(experiment).data)
    return Run(loaded.settings(experiment), seed, folder, patients)


def main() -> None:
    """Run the command line; bad input is one sentence on stderr and exit code 2 (75: stopped, with a checkpoint)."""
    try:
        app()
    except UserError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(getattr(error, "exit_code", 2))
