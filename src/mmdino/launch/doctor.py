"""What this machine or cluster offers, and what would stop a study before anything of it is queued."""

import getpass
import importlib.metadata
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import yaml

from mmdino.cohorts import read_cohort
from mmdino.config import Cohort, Labels
from mmdino.config.chosen import Chosen
from mmdino.config.environment import require_writable
from mmdino.config.strict import parse
from mmdino.config.study import LoadedStudy
from mmdino.errors import UserError, one_line
from mmdino.models.nnunet import model_folder, require_model
from mmdino.preprocess.atlas import load_atlas

EXECUTOR = "snakemake_executor_plugin_slurm"
SECONDS = 15  # for one answer of SLURM's; a controller that is down would let one wait for minutes
FREE_GB = 20  # below that a study's checkpoints and derivatives hardly fit
CARRIED = {
    "backbone": ("random", "starter", "starter-1200", "starter-5000"),
    "atlas": ("mni152",),
    "segmenter": ("phantom", "none"),
    "model": ("phantom",),
    "weights": ("random",),
}
AT_HOME = ("atlas", "segmenter", "model")  # paths that may begin with ~
FETCHED = ("backbone", "weights")  # by timm, where they are no paths
UNSEGMENTED = (
    "no segmenter is named: patients without a segmentation will fail; name one in preprocess.segmenter, or none"
)
ENDINGS = (".pth", ".pt", ".safetensors")  # of files of weights


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and whether it stops the study."""

    level: Literal["ok", "note", "STOP"]
    what: str
    said: str


def examine(loaded: LoadedStudy, results: Path, cluster: str, profile: Path) -> list[Finding]:
    """Look at everything; ``cluster`` is slurm where the study shall run through ``profile``."""
    found = [*_machine(), *_torch(), *_disks(results), *_study(loaded)]
    if cluster == "slurm":
        return [*found, *_slurm(), *_executor(profile), *_profile(profile)]
    return [*found, Finding("ok", "jobs", "run on this machine (profiles/local); --cluster slurm looks at a cluster")]


def _machine() -> Iterator[Finding]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    cores = len(os.sched_getaffinity(0))
    yield Finding(
        "ok", "machine", f"{platform.node()}, {cores} cores, {memory:.0f} GB, Python {platform.python_version()}"
    )


def _torch() -> Iterator[Finding]:
    """Compare torch's CUDA with the driver's. Torch itself is asked last: its import takes seconds."""
    driver = _ask("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    gpus = driver.said.splitlines() if driver.ok else []
    version = importlib.metadata.version("torch")
    import torch

    built = f"torch {version}, " + (
        f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built for the CPU"
    )
    if not gpus:
        yield Finding("ok", "torch", f"{built}; no GPU on this machine (a login node has none)")
    elif torch.cuda.is_available():
        yield Finding("ok", "torch", f"{built}; {torch.cuda.device_count()} GPUs: {'; '.join(gpus)}")
    else:
        yield Finding(
            "STOP", "torch", f"{built}; the GPUs ({'; '.join(gpus)}) cannot be used: the driver is older than that CUDA"
        )


def _disks(results: Path) -> Iterator[Finding]:
    scratch = Path(os.environ.get("SCRATCH") or os.environ.get("TMPDIR") or tempfile.gettempdir())
    for what, path in (("results", results), ("scratch", scratch)):
        try:
            require_writable(path, what)
        except UserError as error:
            yield Finding("STOP", what, str(error))
            continue
        there = path if path.exists() else path.parent
        free = shutil.disk_usage(there).free / 1024**3
        if free < FREE_GB:
            yield Finding("note", what, f"{there}: {free:.1f} GB free, which may be too little")
        else:
            yield Finding("ok", what, f"{there}: {free:.0f} GB free")
    quota = _ask("quota", "--human-readable", "--no-wrap")
    if quota.ok and quota.said:
        yield Finding("note", "quota", quota.said.splitlines()[-1].strip())


def _study(loaded: LoadedStudy) -> Iterator[Finding]:
    """Look for what the study names by path, and into it: cohorts, atlas, segmenter, weights."""
    study = loaded.study
    for name, cohort in study.cohorts.items():
        if cohort.path:
            yield _path("cohort " + name, cohort.path, loaded.path, partial(_patients, name, cohort, study.labels))
    yield _path("atlas", study.preprocess.atlas, loaded.path, _atlas)
    if "segmenter" not in study.preprocess.model_fields_set and any(cohort.path for cohort in study.cohorts.values()):
        yield Finding("note", "segmenter", UNSEGMENTED)
    else:
        yield _path("segmenter", study.preprocess.segmenter, loaded.path, _trained)
    for (what, name), experiments in sorted(_networks(loaded).items()):
        found = _path(what, name, loaded.path, _trained if what == "model" else str)
        if found.level == "STOP" and not set(experiments) & set(loaded.default):
            found = Finding("note", what, f"{found.said}, for {', '.join(experiments)} (on request)")
        yield found


def _patients(name: str, cohort: Cohort, rules: Labels, path: str) -> str:
    """Return how many patients of a cohort can be used, by names and tables; no scan is opened."""
    manifest, _ = read_cohort(name, cohort, Path(path), rules)
    usable = manifest[manifest["excluded"] == ""]
    if usable.empty:
        raise UserError(
            f"{path}: none of its {len(manifest)} sessions can be used ({manifest['excluded'].iloc[0]}); "
            f"`mmdino cohorts check {path}` says more"
        )
    return f"{path}: {usable['subject'].nunique()} patients"


def _atlas(path: str) -> str:
    load_atlas(path)
    return path


def _trained(folder: str) -> str:
    require_model(model_folder(folder))
    return folder


def _networks(loaded: LoadedStudy) -> dict[tuple[str, str], list[str]]:
    """Return each network that experiments begin with, by setting and value, and whose it is."""
    found: dict[tuple[str, str], list[str]] = {}
    for experiment in loaded.experiments:
        settings = loaded.settings(experiment).model_dump()
        for what in ("backbone", "model", "weights"):
            if what in settings:
                found.setdefault((what, settings[what]), []).append(experiment)
    return found


def _path(what: str, name: str, study: Path, look: Callable[[str], str] = str) -> Finding:
    """Say whether what a study names is carried by the project, there, or fetched when it is needed.

    Into what is there ``look`` looks: it returns what to say of it, and raises a :class:`UserError` where it is of no use.
    """
    if name in CARRIED.get(what, ()):
        return Finding("ok", what, f"{name} (carried by the project)")
    if (Path(name).expanduser() if what in AT_HOME else Path(name)).exists():
        try:
            return Finding("ok", what, look(name))
        except UserError as error:
            return Finding("STOP", what, str(error))
    if what in FETCHED and "/" not in name and not name.endswith(ENDINGS):
        return Finding(
            "note", what, f"{name} is fetched by timm; on nodes without network fetch it here first, or give a path"
        )
    return Finding("STOP", what, f"{name}: there is no such path; mend it in {study}")


def _slurm() -> Iterator[Finding]:
    version = _ask("sinfo", "--version")
    if not version.ok:
        yield Finding("STOP", "SLURM", f"{version.said}; run this on a login node, or use profiles/local")
        return
    partitions = _ask("sinfo", "--noheader", "--format=%P: %D nodes %t, %c CPUs, %m MB, GPUs %G, at most %l")
    if not partitions.ok:
        yield Finding(
            "STOP", "SLURM", f"{version.said} is installed, but its controller does not answer: {partitions.said}"
        )
        return
    yield Finding("ok", "SLURM", version.said)
    for line in partitions.said.splitlines():
        yield Finding("ok", "partition", line)
    if not any("gpu" in line.split("GPUs")[1] for line in partitions.said.splitlines()):
        yield Finding("note", "GPUs", "no partition declares GPUs (GRES); set `gpus=0` in profiles/slurm")
    accounting = _ask("sacct", "--noheader", "--allocations", "--starttime=now-1minutes")
    yield (
        Finding("ok", "accounting", "sacct answers")
        if accounting.ok
        else Finding(
            "note",
            "accounting",
            f"sacct does not answer ({accounting.said}): no GPU hours, and Snakemake's own jobs need it",
        )
    )
    mine = _associations("account,partition,qos,maxsubmitjobs")
    for line in mine.said.splitlines() if mine.ok else ():
        account, partition, qos, limit = line.split("|")
        details = f"{account}; partition {partition or 'any'}; QoS {qos or 'default'}; at most {limit or 'any number of'} jobs"
        yield Finding("ok", "account", details)


def _executor(folder: Path) -> Iterator[Finding]:
    """Look for Snakemake's executor for SLURM, which `make setup` and `make demo` leave out (envs/slurm.lock)."""
    profile = folder / "config.yaml"
    try:
        wanted = profile.exists() and _read(profile).get("executor") == "slurm"
    except UserError:
        return  # what is wrong with the file is the profile's finding
    if wanted and find_spec(EXECUTOR) is None:
        yield Finding(
            "STOP", "executor", f"{profile}: Snakemake's executor for SLURM is missing; run `make setup-slurm`"
        )


def _profile(folder: Path) -> Iterator[Finding]:
    """Look whether the profile is filled in, and with what this cluster knows."""
    profile, jobs = (folder / name for name in ("config.yaml", "jobs.yaml"))
    for path in (profile, jobs):
        if not path.exists():
            yield Finding("STOP", "profile", f"{path}: there is no such file")
            return
        lines = path.read_text(encoding="utf-8").splitlines()
        if any("CHANGE_ME" in line.split("#")[0] for line in lines):
            yield Finding("STOP", "profile", f"{path}: put your account and partition in the place of CHANGE_ME")
            return
    try:
        theirs, ours = _read(profile), _read(jobs)
        parse(Chosen, {"study": "any", **ours}, jobs)
    except UserError as error:
        yield Finding("STOP", "profile", str(error))
        return
    options = [*theirs.get("default-resources", []), *ours.get("slurm", []), *ours.get("slurm_cpu", [])]
    named = _named([str(option) for option in options])
    known = {"partition": _ask("sinfo", "--noheader", "--format=%R"), "account": _associations("account")}
    wrong = [
        f"{what} '{name}'; you may use {', '.join(sorted(set(known[what].said.split())))}"
        for what, name in named
        if known[what].ok and known[what].said and name not in known[what].said.split()
    ]
    for said in wrong:
        yield Finding("STOP", "profile", f"{folder}: there is no {said}")
    silent = {f"{what} '{name}' ({known[what].said})" for what, name in named if not known[what].ok}
    if silent:
        yield Finding("note", "profile", f"{folder}: SLURM did not say whether there is {', '.join(sorted(silent))}")
    elif not wrong:
        yield Finding("ok", "profile", str(folder))


def _read(path: Path) -> dict:
    """Read a profile's file, which may hold nothing but comments.

    Raises:
        UserError: it is no YAML of 'key: value' lines.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: is not valid YAML: {one_line(error)}; mend that line") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: must hold 'key: value' lines, but holds a {type(found).__name__}")
    return found


def _named(options: list[str]) -> list[tuple[str, str]]:
    """Return each partition and account among the options of Snakemake's own jobs and of ours."""
    pairs = [option.partition("=") for option in options]
    lists = [(key.removeprefix("slurm_"), value.strip("\"'").split(",")) for key, _, value in pairs]
    named = [(key, name) for key, names in lists if key in ("partition", "account") for name in names if name]
    return list(dict.fromkeys(named))


@dataclass(frozen=True)
class _Answer:
    ok: bool
    said: str


def _associations(fields: str) -> _Answer:
    """Ask for what this user may use: accounts, partitions, limits."""
    user = f"user={getpass.getuser()}"
    return _ask("sacctmgr", "--noheader", "--parsable2", "show", "associations", user, f"format={fields}")


def _ask(*command: str) -> _Answer:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        return _Answer(False, f"there is no `{command[0]}` on PATH")
    except subprocess.TimeoutExpired:
        return _Answer(False, f"no answer within {SECONDS} s")
    said = answer.stdout if answer.returncode == 0 else answer.stderr or answer.stdout
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return _Answer(answer.returncode == 0, "\n".join(lines) if answer.returncode == 0 else (lines or ["no answer"])[-1])
