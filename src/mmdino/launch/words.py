"""SLURM's words, and what to do about them."""

import re

# Refusals that pass: limits on how much may be queued at once,
LIMITS = (
    "AssocMaxSubmitJobLimit",
    "QOSMaxSubmitJob",
    "QOSGrpSubmitJobs",
    "AssocGrpSubmitJobs",
    "MaxSubmitJobs",
    "job submit limit",
    "temporarily unable to accept job",
)
# and a controller that does not answer, so that it may have taken the job all the same.
NO_ANSWER = (
    "Unable to contact slurm controller",
    "Socket timed out",
    "Connection refused",
    "Connection timed out",
    "Zero Bytes were transmitted",
    "Transport endpoint",
    "Resource temporarily unavailable",
    "slurm_receive_msg",
)
# What its commands say where they are installed and belong to no cluster.
NO_CONFIGURATION = (
    "Could not establish a configuration source",
    "Unable to process configuration file",
    "Unable to process slurm.conf",
    "unable to status file",
)
# What SLURM says of a refused job → what to change.
ADVICE = {
    "account": "name one that `sacctmgr show associations user=$USER` lists, in profiles/slurm",
    "partition": "name one that `sinfo --summarize` lists, in profiles/slurm",
    "qos": "name one that `sacctmgr show associations user=$USER format=qos` lists, in profiles/slurm",
    "node configuration is not available|generic resource|gres|more processors|too many nodes|memory specification": (
        "ask for what a node has (`gpus`, `gres`, `cpus`, memory, `constraint`): `sinfo --Node --format='%P %c %m %G %f'`"
    ),
    "time limit": "ask for fewer minutes than `sinfo --format='%P %l'` allows; training goes on in the next job",
    "option": "`slurm` in profiles/slurm takes long options of `sbatch`, name=value",
}
# Reasons of a pending job that no waiting mends.
FEWER_MINUTES = "it asks for more minutes than it may: lower `runtime` in profiles/slurm (`sinfo --format='%P %l'`)"
HOPELESS = {
    "PartitionTimeLimit": FEWER_MINUTES,
    "QOSMaxWallDurationPerJobLimit": FEWER_MINUTES,
    "AssocMaxWallDurationPerJobLimit": FEWER_MINUTES,
    "PartitionNodeLimit": "it asks for more nodes than the partition allows",
    "BadConstraints": "no node has what it asks for: look at `constraint` in profiles/slurm (`sinfo --format='%P %f'`)",
    "InvalidAccount": "its account is not yours: look at `account` in profiles/slurm",
    "InvalidQOS": "its QoS is not yours: look at `qos` in profiles/slurm",
    "DependencyNeverSatisfied": "it depends on a job that failed",
}
WAITING = {
    "None": "the scheduler has not looked at it yet",
    "JobHeldUser": "held by you: `scontrol release {job}` lets it go on",
    "JobHeldAdmin": "held by an administrator",
    "ReqNodeNotAvail": "its node is down, drained or reserved: `sinfo --list-reasons` says why",
    "PartitionDown": "the partition is down: `sinfo`",
    "PartitionInactive": "the partition takes jobs and starts none: `sinfo`",
    "Resources": "waits for free resources",
    "Priority": "others come first",
    "BeginTime": "was put back into the queue, and starts in a while",
    "AssocGrpGRES": "your account uses all of the GPUs it may",
    "QOSMaxGRESPerUser": "you use all of the GPUs that the QoS gives a user",
}


def passes(said: str) -> bool:
    """Whether a refusal of ``sbatch`` may be over in a while."""
    return no_answer(said) or any(word.lower() in said.lower() for word in LIMITS)


def no_answer(said: str) -> bool:
    """Whether ``sbatch`` had no answer from the controller."""
    return any(word.lower() in said.lower() for word in NO_ANSWER)


def no_configuration(said: str) -> bool:
    """Whether a SLURM command knows no cluster to ask."""
    return any(word.lower() in said.lower() for word in NO_CONFIGURATION)


def said_by(error: Exception) -> str:
    """Return what a SLURM command that failed, or did not answer in time, printed to stderr; else the error's own words."""
    said = getattr(error, "stderr", None) or ""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said  # of a timeout it comes as bytes
    return text if text.strip() else str(error)


def last_line(said: str) -> str:
    """Return the last line that says anything."""
    return said.strip().rpartition("\n")[2].strip()


def last_words(said: str) -> str:
    """Return the essence of what a SLURM command printed to stderr."""
    lines = [re.sub(r"^\w+: (error|fatal): ", "", line.strip()) for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("Batch job submission failed: Unspecified")]
    return "; ".join(dict.fromkeys(telling)) or "no reason given"


def advice(said: str) -> str:
    """Return what to change after a refusal."""
    for words, hint in ADVICE.items():
        if re.search(words, said, flags=re.IGNORECASE):
            return hint
    return "mend what it names in profiles/slurm; `mmdino doctor` shows what this cluster offers"


def why_waiting(job: str, reason: str) -> str:
    """Return why a pending job waits, in words where we have them; SLURM's reason may carry details in parentheses."""
    name = re.split(r"[\s,(]", reason.strip("()"), maxsplit=1)[0]
    return f"{WAITING[name].format(job=job)} ({name})" if name in WAITING else reason
