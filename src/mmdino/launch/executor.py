"""The one importer of submitit: it writes the batch script, submits it, and starts our :class:`Command` on the node."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit

from mmdino.errors import UserError
from mmdino.launch.command import AGAIN, Command
from mmdino.launch.resources import Resources

WARN_SECONDS = 120  # before the walltime: enough for a step, a look at validation, and a checkpoint
FIRST_PORT, PORTS = 20_000, 10_000  # where the nodes of a training meet
NO_WALLTIME = 60 * 24 * 365  # minutes: this machine takes no job away
# After the command: exit code 75 means that it goes on later. SLURM kills this script as soon as the requeue is accepted; a
# controller that is down for a while is asked again.
# The id of an array's job, as the first of them has the array's own.
REQUEUE = f"""code=$?
if [ $code = {AGAIN} ]; then
  job=${{SLURM_ARRAY_JOB_ID:+${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID}}
  for _ in $(seq 60); do scontrol requeue "${{job:-$SLURM_JOB_ID}}" && sleep 600; sleep 10; done
fi
exit $code"""


class Refused(Exception):
    """``sbatch`` did not take the job; the message is what it printed."""


@dataclass(frozen=True)
class Task:
    """What a job shall do.

    Attributes:
        command: a program and its arguments.
        folder: of the job's files.
        name: the job's.
        key: of what it depends on beside its command.
    """

    command: list[str]
    folder: Path
    name: str
    key: str = ""


def submit(tasks: Sequence[Task], folder: Path, resources: Resources, comment: str) -> list[str]:
    """Submit the tasks, several of them as one job array, and return their jobs' ids.

    The files of an array lie in ``folder``, with links to them in each task's own; those of a single task in its own. On
    this machine a job's id is the number of the process that looks after it.

    Raises:
        Refused: by SLURM.
        UserError: an option of ``resources.slurm`` has a wrong value.
    """
    on_slurm = resources.cluster == "slurm"
    folder = tasks[0].folder if len(tasks) == 1 else folder
    commands = [Command(task.command, task.folder, resources.cpus, resources.gpus) for task in tasks]
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=resources.cluster, **_python(resources))
        executor.update_parameters(
            name=tasks[0].name + (f"+{len(tasks) - 1}" if len({task.name for task in tasks}) > 1 else ""),
            timeout_min=resources.minutes if on_slurm else NO_WALLTIME,
            cpus_per_task=resources.cpus,
            mem_gb=resources.memory_gb,
            nodes=resources.nodes,
            tasks_per_node=1,
            **({} if "gres" in resources.slurm else {"gpus_per_node": resources.gpus}),
            **(_slurm(resources, len(tasks), comment) if on_slurm else {}),
        )
        ids: list[str] = [job.job_id for job in executor.map_array(_on_node, commands)]
    except submitit.core.utils.FailedJobError as error:
        raise Refused(str(error)) from None
    except (ValueError, AssertionError) as error:
        raise UserError(f"mmdino submit: {error}; mend `slurm` in profiles/slurm") from None
    for task, job_id in zip(tasks, ids, strict=True):
        if task.folder != folder:
            _link(task.folder, folder, job_id)
    return ids


def _on_node(command: Command) -> int:
    """Run the command; where several nodes work on it, tell it which this is, in ``torchrun``'s words."""
    here = submitit.JobEnvironment()
    if here.num_tasks > 1:
        os.environ.update(
            GROUP_WORLD_SIZE=str(here.num_tasks),
            GROUP_RANK=str(here.global_rank),
            MASTER_ADDR=here.hostnames[0],
            MASTER_PORT=str(FIRST_PORT + int(here.raw_job_id) % PORTS),
        )
    return command()


def _link(own: Path, folder: Path, job_id: str) -> None:
    """Show an array's files of one job where those of a single job would lie."""
    there, here = (submitit.core.utils.JobPaths(place, job_id) for place in (folder, own))
    links = {
        here.stdout: there.stdout,
        here.stderr: there.stderr,
        own / f"{job_id}_submission.sh": there.submission_file,
    }
    for link, target in links.items():
        link.symlink_to(os.path.relpath(target, own))


def log_files(folder: Path, job_id: str) -> tuple[Path, Path]:
    """Return where a job's standard output and standard error lie."""
    paths = submitit.core.utils.JobPaths(folder, job_id)
    return paths.stdout, paths.stderr


def _python(resources: Resources) -> dict[str, Any]:
    return {"slurm_python": resources.slurm["python"]} if "python" in resources.slurm else {}


def _slurm(resources: Resources, jobs: int, comment: str) -> dict[str, Any]:
    """Return the batch script's options as submitit takes them: those that it does not know go in as they are."""
    known = submitit.SlurmExecutor._valid_parameters()
    options = {key.replace("-", "_"): value for key, value in resources.slurm.items() if key != "python"}
    others = {key: value for key, value in options.items() if key not in known}
    mine = {key: value for key, value in options.items() if key in known}
    setup = [mine.pop("setup")] if "setup" in mine else []
    mine = {"signal_delay_s": WARN_SECONDS, **mine}
    mine["signal_delay_s"] = int(mine["signal_delay_s"])
    return {
        f"slurm_{key}": value
        for key, value in {
            **mine,
            "setup": setup,
            "teardown": [REQUEUE],
            "comment": comment,
            "array_parallelism": jobs,  # what limits them (`max_jobs`) counts those that wait as well
            # Since 22.05 srun takes over no CPUs from sbatch, and the command would get one.
            "srun_args": [f"--cpus-per-task={resources.cpus}"],
            "additional_parameters": {"requeue": True, **others},
        }.items()
    }
