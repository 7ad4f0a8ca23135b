# The study as Snakemake sees it: names, paths and settings, read through the light mmdino.config.
import argparse
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from mmdino.config import load_study
from mmdino.config.chosen import chosen
from mmdino.config.environment import keep_caches_in, require_writable, use_this_python
from mmdino.config.quality import decided
from mmdino.errors import UserError

use_this_python()

try:
    CHOSEN = chosen(config)
    keep_caches_in(CHOSEN.caches)
    STUDY_FILE = f"config/studies/{CHOSEN.study}.yaml"
    require_writable(CHOSEN.results)
    LOADED = load_study(STUDY_FILE)
except UserError as error:
    raise WorkflowError(str(error)) from None

STUDY = LOADED.study
RESULTS = f"{CHOSEN.results}/{STUDY.name}"
COHORTS = list(STUDY.cohorts)
PHANTOMS = [name for name, cohort in STUDY.cohorts.items() if cohort.phantom]
EXPERIMENTS = list(LOADED.experiments)
TARGETS = {name: [name] for name in EXPERIMENTS} | {
    name: [experiment.name for experiment in family] for name, family in LOADED.families.items()
}
# What only changes MM-DINOv2 goes by its short name too: no-full-modality-masking.
SHORT = {name.removeprefix("mm-dinov2-"): members for name, members in TARGETS.items()}
TARGETS |= {name: members for name, members in SHORT.items() if name not in TARGETS}
# Experiments that train nothing, since another one is trained in the same way: whose weights they ask.
TRAINED_AS = LOADED.trained_as
RUN = f"{RESULTS}/runs/{{experiment}}/seed-{{seed}}"


wildcard_constraints:
    cohort="|".join(COHORTS),
    experiment="|".join(EXPERIMENTS),
    seed=r"\d+",
    shard=r"\d+",
    leak="(-keep|-remove-from-train)?",


def among(names):
    """Return the regular expression of these names alone."""
    return "|".join(names) or "(?!)"


def as_text(model):
    """Settings as params: a rule runs again when they change, and not when a comment does."""
    return model.model_dump_json()


def of_bank(settings):
    """The same for a bank: one of an older version is built anew. (Of the first nothing is said, and none is.)"""
    return as_text(settings) + (f" version {settings.version}" if settings.version > 1 else "")


def runs_of(experiments, file):
    """Return one file of every run of the experiments."""
    return [
        f"{RESULTS}/runs/{name}/seed-{seed}/{file}" for name in experiments for seed in LOADED.seeds(name)
    ]


def metrics_at_hand(wildcards):
    """Return the metrics of every default run, and of those runs on request that are there or asked for with it."""
    more = [name for name in EXPERIMENTS if name not in LOADED.default]
    asked = runs_of([name for name in more if name in requested()], "metrics.json")
    there = [path for path in runs_of(more, "metrics.json") if Path(path).exists()]
    return runs_of(LOADED.default, "metrics.json") + sorted({*asked, *there})


def requested():
    """Return the experiments that the command line's targets name, each for itself or with its group."""
    members = {**TARGETS, **{f"{group}s": names for group, names in GROUPS.items()}}
    return {name for target in workflow.dag_settings.targets for name in members.get(target, [])}


def shown_as(name):
    """Return what of an experiment the report's estimates depend on."""
    experiment = LOADED.experiment(name)
    return [experiment.title, experiment.group, experiment.readout, LOADED.seeds(name)]


def said_of(target):
    """Return the question of an experiment or of a file of variants; of a variant, its title."""
    experiment = LOADED.experiment(TARGETS[target][0])
    if target not in LOADED.families and target not in EXPERIMENTS:
        return f"short for {experiment.name}"
    return experiment.question if target in LOADED.families else experiment.title


def forced():
    """Return what `--forcerun` names on the command line; Snakemake tells only after this file is read."""
    known = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    known.add_argument("-R", "--forcerun", nargs="*", default=[])
    return known.parse_known_args(sys.argv[1:])[0].forcerun


def scans(wildcards):
    """Return the file that is there when a phantom cohort is whole; a cohort found on disk has no such file."""
    if wildcards.cohort in PHANTOMS:
        return [f"{RESULTS}/truth/{wildcards.cohort}.parquet"]
    return []


def root(wildcards):
    """Return where a cohort lies."""
    return STUDY.cohorts[wildcards.cohort].path or f"{RESULTS}/raw/{wildcards.cohort}"


def banks_of(experiment):
    """Return every cohort's bank of what an experiment's method reads: slices or volumes."""
    return [f"{RESULTS}/cohorts/{cohort}/{LOADED.settings(experiment).reads}" for cohort in COHORTS]


def banks(wildcards):
    """Return the banks of a run's experiment."""
    return banks_of(wildcards.experiment)


def splits_of(experiment):
    """Return the splits of an experiment: the study's, or those of a policy on leaks of its own."""
    policy = LOADED.policy(experiment)
    return f"{RESULTS}/splits.tsv" if policy == STUDY.leakage.policy else f"{RESULTS}/splits-{policy}.tsv"


def options(name):
    """Return the params function that gives each file of an input as `--name=file`."""
    return lambda wildcards, input: [f"--{name}={path}" for path in input[name]]


def growing(amount):
    """Return a resource that grows when a job is tried again (retries of profiles/slurm)."""
    return lambda wildcards, attempt: amount * attempt


def memory(job):
    """Return the resource function of the memory, in MB, that a method declares for its trainings or predictions."""
    return lambda wildcards: 1000 * LOADED.needs(wildcards.experiment, job).memory_gb


def minutes(job, times=1):
    """Return the resource function of the walltime, in minutes, that a method declares."""
    return lambda wildcards: times * LOADED.needs(wildcards.experiment, job).minutes


def submission(name, nodes=1):
    """Return the beginning of the command of a job that goes through `mmdino submit`; those that start together are one array.

    Cores and GPUs are the most that it may have: `submit` asks for as many as the method declares to make use of.
    `submit` itself sees to jobs that were killed, hence no retries. Where jobs run is part of the command and no param:
    the same study finished elsewhere stays finished.
    """
    return (
        f"python -m mmdino submit --cluster {CHOSEN.cluster} --gpus {CHOSEN.gpus}"
        f" {shlex.join(f'--slurm={pair}' for pair in CHOSEN.slurm)}"
        f" {shlex.join(f'--slurm-cpu={pair}' for pair in CHOSEN.slurm_cpu)}"
        f" --cpus {CHOSEN.cpus} --nodes {nodes} --name {name} --together {shlex.quote(f'{RESULTS}/jobs')}"
        " --jobs {params.jobs:q}"
        " --memory-gb $(({resources.mem_mb} / 1000)) --minutes {resources.runtime} --"
    )
