"""A training that takes no time, and a submitter, for tests of the life of a job."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

JOB = f"mmdino-test-{os.getpid()}"  # the name of every job of this test run
TRAINING = '''
"""Like training: steps whose outcome depends on all steps before, checkpoints, exit code 75 on SIGTERM."""
import hashlib, json, os, signal, sys, time
from pathlib import Path

folder, steps, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
checkpoint, told = folder / "checkpoint.json", []
signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
step, state = json.loads(checkpoint.read_text()) if checkpoint.exists() else (0, "")
with open(folder / "starts.txt", "a") as starts:
    starts.write(f"{os.getpid()} {step}\\n")
while step < steps:
    time.sleep(seconds)
    step, state = step + 1, hashlib.sha256(f"{state}{step}".encode()).hexdigest()
    if told or step % 5 == 0:
        part = folder / f"part-{os.getpid()}"
        part.write_text(json.dumps([step, state]))
        os.replace(part, checkpoint)
    if told:
        sys.exit(75)
checkpoint.unlink(missing_ok=True)
(folder / "model").write_text(state)
'''
SUBMITTER = """
import json, sys
from pathlib import Path
from mmdino.errors import UserError
from mmdino.launch import run
from mmdino.launch.resources import Resources

run.LOOK_SECONDS, run.LAG_SECONDS, run.FILE_SECONDS = 3.0, 2.0, 10.0  # less than over a network
command, folder, name, resources, together, key = json.loads(sys.argv[1])
try:
    run.run_job(command, Path(folder), name, Resources(**resources), Path(together) if together else None, key)
except UserError as error:
    print(f"Error: {error}", file=sys.stderr)
    sys.exit(getattr(error, "exit_code", 2))
"""


class Run:
    """A run in a folder of its own: a training of ``steps`` steps of ``seconds`` each, and its submitters."""

    def __init__(
        self,
        folder: Path,
        steps: int = 30,
        seconds: float = 0.05,
        command: list[str] | None = None,
        together: Path | None = None,
        **resources,
    ):
        self.folder = folder
        self.steps = steps
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "training.py").write_text(TRAINING)
        self.command = command or [sys.executable, str(folder / "training.py"), str(folder), str(steps), str(seconds)]
        self.resources = {"cluster": "local", "memory_gb": 1, "minutes": 30, **resources}
        self.together = str(together) if together else None
        self.key = ""
        self.submitters: list[subprocess.Popen] = []

    @property
    def jobs(self) -> Path:
        return self.folder / "jobs"

    @property
    def record(self) -> dict:
        """What is stored of the job."""
        path = self.jobs / "job.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def submitter(self) -> list[str]:
        """Return the command that submits the training and waits for it."""
        submission = [self.command, str(self.jobs), JOB, self.resources, self.together, self.key]
        return [sys.executable, "-c", SUBMITTER, json.dumps(submission)]

    def submit(self, **environment: str) -> subprocess.Popen:
        submitter = subprocess.Popen(
            self.submitter(),
            env={**os.environ, **environment},
            text=True,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.submitters.append(submitter)
        return submitter

    def starts(self) -> list[tuple[int, int]]:
        """Return process number and first step of every start of the training so far."""
        path = self.folder / "starts.txt"
        return [tuple(map(int, line.split())) for line in path.read_text().splitlines()] if path.exists() else []

    def undisturbed(self) -> str:
        """Return what the run must end in."""
        state = ""
        for step in range(self.steps):
            state = hashlib.sha256(f"{state}{step}".encode()).hexdigest()
        return state

    def assert_as_undisturbed(self) -> None:
        assert (self.folder / "model").read_text() == self.undisturbed()
