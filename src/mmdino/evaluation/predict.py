"""Ask a fitted method about the validation and test patients, under every set of sequences, protocol and read-out.

``refit``: the regression is fitted on the training patients' features of the same set of sequences (the paper's).
``transfer``: it is fitted on features of all four, and the patient comes with fewer: the clinical case. The network's
own output (``head``) is never refitted, so it has the protocol ``transfer`` only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from mmdino.dataset.patients import Patients
from mmdino.errors import UserError
from mmdino.evaluation.looking import HEAD, Names, Seen, look
from mmdino.evaluation.subsets import SUBSETS
from mmdino.methods.base import Encoder, Run, method
from mmdino.models.logistic import Fitted, fit_sweep
from mmdino.tables import CLASSES, PREDICTIONS, SEQUENCES, conform, sequence_set
from mmdino.training.device import best_device


def predict(run: Run, method_name: str, protocols: Sequence[str], progress: bool = True) -> pd.DataFrame:
    """Return the predictions of a run (``tables.PREDICTIONS``) for its validation and test patients.

    A patient who lacks a sequence is shown without it; one who has none of a set gets the training classes' shares.
    Test labels are copied into the table and used for nothing. ``attrs["regressions"]`` lists each regression's C, with
    a note where it could not be chosen; Parquet keeps it.

    Raises:
        UserError: there is no labelled training patient or nobody to predict, or the method's output is not finite.
    """
    encoder, patients = _placed(method(method_name).load(run)), run.patients
    train, asked = patients.select("train", labelled=True), patients.select("val") + patients.select("test")
    _check(run, train, asked)
    fitted_on = SUBSETS if "refit" in protocols else (SEQUENCES,)
    title = f"{run.folder.parent.name}, {run.folder.name}"
    known = look(encoder, patients, train, fitted_on, with_head=False, title=f"train of {title}", progress=progress)
    seen = look(encoder, patients, asked, SUBSETS, "transfer" in protocols, f"val and test of {title}", progress)

    targets = patients.targets(train)
    shares = np.bincount(targets, minlength=len(CLASSES)) / len(targets)
    regressions = {names: _fit(known[names], targets, run.seed) for names in fitted_on}
    rows: list[pd.DataFrame] = []
    notes: list[dict[str, Any]] = []
    for names in SUBSETS:
        for readout in regressions[SEQUENCES]:
            for protocol in protocols:
                regression = regressions[names if protocol == "refit" else SEQUENCES].get(readout)
                given = _classify(regression, seen[names], readout, shares)
                rows.append(_rows(patients, asked, names, protocol, readout, given))
                notes.append(_note(names, protocol, readout, regression))
        if HEAD in seen[SEQUENCES].values and "transfer" in protocols:
            given = _spread(seen[names], seen[names].values.get(HEAD), shares)
            rows.append(_rows(patients, asked, names, "transfer", HEAD, given))
    frame = conform(PREDICTIONS, pd.concat(rows, ignore_index=True), run.folder / "predictions.parquet")
    frame.attrs["regressions"] = notes
    return frame


def _placed(encoder: Encoder) -> Encoder:
    """Return ``encoder``, its network (where it has one) on the GPU (where there is one)."""
    network = getattr(encoder, "network", None)
    if isinstance(network, nn.Module):
        network.to(best_device())
    return encoder


def _check(run: Run, train: list[str], asked: list[str]) -> None:
    hint = "look into splits.tsv and the slice banks' failures.tsv"
    if not train:
        raise UserError(f"{run.folder}: no labelled training patient has slices; {hint}")
    if not asked:
        raise UserError(f"{run.folder}: no validation or test patient has slices; {hint}")


def _fit(known: Seen, targets: NDArray[np.int64], seed: int) -> dict[str, Fitted]:
    """Fit a regression for each read-out; none where no training patient has any of the sequences."""
    return {readout: fit_sweep(values, targets[known.rows], seed) for readout, values in known.values.items()}


def _classify(regression: Fitted | None, seen: Seen, readout: str, shares: NDArray) -> NDArray[np.float64]:
    values = seen.values.get(readout)
    answers = None if regression is None or values is None else regression.predict_proba(values)
    return _spread(seen, answers, shares)


def _spread(seen: Seen, answers: NDArray | None, shares: NDArray) -> NDArray[np.float64]:
    """Return (N, 3): the answers where something was seen, else the training classes' shares."""
    result = np.tile(shares, (len(seen.rows), 1))
    if answers is not None:
        result[seen.rows] = answers
    return result


def _rows(
    patients: Patients, asked: list[str], names: Names, protocol: str, readout: str, given: NDArray
) -> pd.DataFrame:
    known = patients.splits.loc[asked]
    rows = pd.DataFrame({column: known[column].to_numpy() for column in ("subject", "cohort", "split", "label")})
    rows["sequences"], rows["protocol"], rows["readout"] = sequence_set(names), protocol, readout
    rows[[f"p_{name}" for name in CLASSES]] = given
    return rows


def _note(names: Names, protocol: str, readout: str, regression: Fitted | None) -> dict[str, Any]:
    place = {"sequences": sequence_set(names), "protocol": protocol, "readout": readout}
    if regression is None:
        return {**place, "C": None, "note": "no training patient has any of these sequences: the classes' shares"}
    return {**place, "C": regression.C, "note": regression.note}
