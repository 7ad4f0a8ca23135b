"""P8: 2,000 bootstrap replicates of MCC, beside scikit-learn's in a loop (100 of them, scaled up)."""

import numpy as np
from sklearn.metrics import matthews_corrcoef

from goals import times_faster
from mmdino.evaluation.bootstrap import resample, resampled_confusion
from mmdino.evaluation.metrics import mcc

PATIENTS, REPLICATES, ARMS, SAMPLED = 500, 2000, 30, 100


def test_p8_bootstrap(beside):
    rng = np.random.default_rng(0)
    truth = rng.choice(3, PATIENTS, p=[0.3, 0.45, 0.25])
    answers = [np.where(rng.random(PATIENTS) < 0.7, truth, rng.integers(0, 3, PATIENTS)) for _ in range(ARMS)]

    def ours() -> None:
        weights = resample(truth, REPLICATES)
        for predicted in answers:
            mcc(resampled_confusion(truth, predicted, weights, 3))

    def in_a_loop() -> None:
        for _ in range(SAMPLED):
            drawn = rng.integers(0, PATIENTS, PATIENTS)
            matthews_corrcoef(truth[drawn], answers[0][drawn])

    what = "2,000 bootstrap replicates of an arm's MCC, 500 patients"
    reference, per = "scikit-learn in a loop (100, scaled)", (ARMS, SAMPLED / REPLICATES)
    beside("P8", what, reference, ours, in_a_loop, times_faster(50, guard=10), per=per)
