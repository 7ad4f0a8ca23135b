"""The one importer of submitit: it writes the batch script, submits it, and starts our :class:`Command` on the node."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import submitit

from mmdino.errors import UserError
from mmdino.launch.command import AGAIN, Command
from mmdino.launch.resources import Resources

WARN_SECONDS = 120  # before the walltime: enough for a step, a look at validation, and a checkpoint
NO_WALLTIME = 60 * 24 * 365  # minutes: this machine takes no job away
# After the command: exit code 75 means that it goes on later. SLURM kills this script as soon as the requeue is accepted; a
# controller that is down for a while is asked again.
REQUEUE = f"""code=$?
if [ $code = {AGAIN} ]; then
  for _ in $(seq 60); do scontrol requeue "$SLURM_JOB_ID" && sleep 600; sleep 10; done
fi
exit $code"""


class Refused(Exception):
    """``sbatch`` did not take the job; the message is what it printed."""


def submit(command: Sequence[str], folder: Path, name: str, resources: Resources, comment: str) -> str:
    """Submit the command and return the job's id (on this machine: the number of the process that looks after it).

    Raises:
        Refused: by SLURM.
        UserError: an option of ``resources.slurm`` has a wrong value.
    """
    on_slurm = resources.cluster == "slurm"
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=resources.cluster, **_python(resources))
        executor.update_parameters(
            name=name,
            timeout_min=resources.minutes if on_slurm else NO_WALLTIME,
            cpus_per_task=resources.cpus,
            mem_gb=resources.memory_gb,
            **({} if "gres" in resources.slurm else {"gpus_per_node": resources.gpus}),
            **(_slurm(resources, comment) if on_slurm else {}),
        )
        job: submitit.Job = executor.submit(Command(command, folder, resources.cpus, resources.gpus))
    except submitit.core.utils.FailedJobError as error:
        raise Refused(str(error)) from None
    except (ValueError, AssertionError) as error:
        raise UserError(f"mmdino submit: {error}; mend `slurm` in profiles/slurm") from None
    return job.job_id


def log_files(folder: Path, job_id: str) -> tuple[Path, Path]:
    """Return where a job's standard output and standard error lie."""
    paths = submitit.core.utils.JobPaths(folder, job_id)
    return paths.stdout, paths.stderr


def _python(resources: Resources) -> dict[str, Any]:
    return {"slurm_python": resources.slurm["python"]} if "python" in resources.slurm else {}


def _slurm(resources: Resources, comment: str) -> dict[str, Any]:
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
            # Since 22.05 srun takes over no CPUs from sbatch, and the command would get one.
            "srun_args": [f"--cpus-per-task={resources.cpus}"],
            "additional_parameters": {"requeue": True, **others},
        }.items()
    }
