"""Every run of a study in a table: from its files, and one look at the queue and at accounting for all jobs together."""

import json
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from mmdino.config.chosen import command
from mmdino.config.study import LoadedStudy
from mmdino.errors import UserError
from mmdino.launch import queue, words
from mmdino.launch.executor import log_files
from mmdino.launch.submission import Submission, is_alive_here, stored

STEPS = ("predict", "train")  # the latest first
TAIL_BYTES = 20_000


@dataclass
class Row:
    """A run as the table shows it; what is not known is empty."""

    experiment: str
    seed: int
    state: str = "not started"
    job: str = ""
    node: str = ""
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    images_per_second: float | None = None
    eta_seconds: float | None = None
    gpu_hours: float | None = None
    error: str = ""


def rows_of(loaded: LoadedStudy, results: Path) -> list[Row]:
    """Return a row for each run of the study.

    Args:
        loaded: the study.
        results: ``results/<study>``.
    """
    folders = {
        (name, seed): results / "runs" / name / f"seed-{seed}"
        for name in loaded.experiments
        for seed in loaded.seeds(name)
    }
    stored = {key: list(_submissions(folder)) for key, folder in folders.items()}
    on_slurm = [job for jobs in stored.values() for _, job in jobs if job.cluster == "slurm"]
    answer = queue.jobs(10) if any(job.outcome is None for job in on_slurm) else None
    hours = _gpu_hours([number for folder in folders.values() for number in _numbers(folder)]) if on_slurm else {}
    return [_row(loaded, *key, folders[key], stored[key], answer, hours) for key in folders]


def table_of(rows: Sequence[Row], title: str, default: Collection[str]) -> Table:
    """Return the rows as a table for the terminal; runs on request (not of ``default``) once they have begun."""
    shown = [row for row in rows if row.experiment in default or row != Row(row.experiment, row.seed)]
    more = f"{len(rows) - len(shown)} runs on request, not started" if len(shown) < len(rows) else None
    table = Table(
        title=title,
        caption=more,
        title_justify="left",
        caption_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for name in ("run", "state", "job", "node", "step", "loss", "img/s", "ETA", "GPU h", "last error"):
        table.add_column(name, overflow="fold")
    for row in shown:
        step = "" if row.step is None else f"{row.step}/{row.steps or '?'}"
        eta = "" if row.eta_seconds is None else _duration(row.eta_seconds)
        numbers = (_number(row.loss, ".4g"), _number(row.images_per_second, ".1f"), eta, _number(row.gpu_hours, ".2f"))
        table.add_row(f"{row.experiment} {row.seed}", row.state, row.job, row.node, step, *numbers, row.error)
    return table


def _row(
    loaded: LoadedStudy,
    experiment: str,
    seed: int,
    folder: Path,
    stored: Sequence[tuple[str, Submission]],
    answer: queue.Answer | None,
    hours: dict[str, float],
) -> Row:
    row = Row(experiment, seed)
    for name, state in (
        ("log.jsonl", "training"),
        ("run.json", "trained"),
        ("predictions.parquet", "predicted"),
        ("metrics.json", "done"),
    ):
        if (folder / name).exists():
            row.state = state if state != "training" else "stopped"
    stopped = row.state == "stopped"
    if stored:
        _read_job(row, folder, *_latest(stored), answer)
    if stopped or row.state == "train: running":  # also of a run that is done and trained again
        _read_progress(row, folder, loaded.settings(experiment))
    if not row.state.endswith("running"):
        row.eta_seconds = None
    used = [hours[number] for number in _numbers(folder) if number in hours]
    row.gpu_hours = sum(used) if used else None
    return row


def _latest(stored: Sequence[tuple[str, Submission]]) -> tuple[str, Submission]:
    """Return the job that is under way, as far as is known, else the one that was submitted last, with its step."""
    return max(stored, key=lambda job: (job[1].outcome is None, job[1].submitted))


def _read_job(row: Row, folder: Path, step: str, job: Submission, answer: queue.Answer | None) -> None:
    """Fill in where a job of the run's is, and what it complained of."""
    row.job = job.job_id or ""
    row.node = (job.owner or {}).get("host", "")
    if job.outcome is not None:
        if job.outcome != "exit code 0":
            row.state = f"{step}: {job.outcome.lower()}"
            row.error = _last_error(folder / "jobs" / step, row.job)
    elif job.cluster == "local":
        row.state = f"{step}: running" if is_alive_here(job) else f"{step}: gone"
    elif answer is None or answer.text is None:
        row.state = f"{step}: SLURM does not answer"
    else:
        seen = answer.job(row.job) or queue.Job("GONE")
        why = f" ({words.why_waiting(row.job, seen.reason)})" if seen.state == "PENDING" else ""
        row.state, row.node = f"{step}: {seen.state.lower()}{why}", seen.node


def _submissions(folder: Path) -> Iterator[tuple[str, Submission]]:
    for step in STEPS:
        job = stored(folder / "jobs" / step)
        if job is not None:
            yield step, job


def _numbers(folder: Path) -> list[str]:
    """Return the ids of all SLURM jobs that a run had."""
    return [path.name.removesuffix("_submission.sh") for path in folder.glob("jobs/*/*_submission.sh")]


def _read_progress(row: Row, folder: Path, settings: Any) -> None:
    lines = [line for line in (_parsed(text) for text in _tail(folder / "log.jsonl")) if line]
    if not lines:
        return
    row.steps = getattr(settings, "steps", None)
    row.step, row.loss = lines[-1]["step"], lines[-1].get("loss")
    speeds = [line["images_per_second"] for line in lines if "images_per_second" in line]
    row.images_per_second = sum(speeds) / len(speeds) if speeds else None
    batch = getattr(settings, "batch", None)
    if row.steps and batch and row.images_per_second:
        row.eta_seconds = (row.steps - row.step) * batch / row.images_per_second


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return json.loads(text)
    except ValueError:  # the first line of the tail, or the last one of a killed process
        return None


def _tail(path: Path) -> list[str]:
    if not path.exists():
        return []
    with open(path, "rb") as opened:
        opened.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return opened.read().decode("utf-8", errors="replace").splitlines()


def _last_error(jobs: Path, job_id: str) -> str:
    lines = [line for path in log_files(jobs, job_id) for line in _tail(path) if not line.startswith("submitit ")]
    said = [line for line in lines if line.startswith("Error: ")] or [line for line in lines if line.strip()]
    return said[-1].removeprefix("Error: ") if said else ""


def _gpu_hours(numbers: Sequence[str]) -> dict[str, float]:
    """Return the GPU hours of each job, all of its attempts together; nothing where accounting does not answer."""
    try:
        said = queue.sacct(numbers, "JobID,ElapsedRaw,AllocTRES", "--duplicates")
    except (OSError, subprocess.SubprocessError):
        return {}
    hours: dict[str, float] = {}
    for line in said.splitlines():
        number, seconds, resources = line.split("|")
        gpus = dict(pair.split("=") for pair in resources.split(",") if "=" in pair).get("gres/gpu", "0")
        hours[number] = hours.get(number, 0.0) + int(seconds) * int(gpus) / 3600
    return hours


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _duration(seconds: float) -> str:
    return time.strftime("%-H h %M min", time.gmtime(seconds)) if seconds < 86400 else f"{seconds / 86400:.1f} days"


def show(loaded: LoadedStudy, results: Path, watch: bool) -> None:
    """Print the table, once or (``watch``) every ten seconds until Ctrl-C.

    Raises:
        UserError: there are no results yet.
    """
    from rich.console import Console
    from rich.live import Live

    if not results.is_dir():
        raise UserError(f"{results}: there is no such folder; start the study first (`{command(loaded.study.name)}`)")
    console = Console()
    if not console.is_terminal:
        console = Console(width=240)
    title = f"{loaded.study.title} ({results})"

    def now(title: str) -> Table:
        return table_of(rows_of(loaded, results), title, loaded.default)

    if not watch:
        console.print(now(title))
        return
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(now(f"{title}, {time.strftime('%H:%M:%S')}"), refresh=True)
            time.sleep(10)
