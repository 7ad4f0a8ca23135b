"""What a network needs, by its size and by how long it is trained.

The paper's sizes were not measured: their memory follows from the weights, their walltime is half a day, after which a
training goes on in its next job.
"""

from mmdino.config.needs import MANY, Job, Needs

PROGRAM_GB = 6  # Python, torch, a bank's pages: peaks on the phantom study were 2.1 GB (docs/benchmarks.md)
COPIES = 8  # of the weights in fp32: student, teacher, gradients, AdamW's two, a checkpoint of these being written
SHORT = 50_000  # patients that a short training sees: the phantom study's longest sees 17,000


def network_needs(job: Job, weights: int, patients_seen: int, gpus: int, images_gb: int = 0) -> Needs:
    """Return what a network needs; it is trained on a GPU or several, and predicts on one.

    Args:
        job: a training, or a prediction.
        weights: their number.
        patients_seen: in training, steps times batch; 0: it is not trained.
        gpus: that can share its training.
        images_gb: of patients that are held at once, where these are large.
    """
    memory = PROGRAM_GB + images_gb + round(COPIES * 4 * weights / 1e9)
    if job == "predict":
        return Needs(MANY, min(gpus, 1), memory)
    return Needs(MANY, gpus, memory, minutes=240 if patients_seen <= SHORT else 720)
