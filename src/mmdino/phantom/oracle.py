"""The ceiling: the Bayes decision of a reader who sees, without error, every sign that the given sequences can show."""

from collections.abc import Mapping, Sequence

import pandas as pd

from mmdino.phantom.signs import BINARY, VARIANTS, Signs, posterior
from mmdino.tables import CLASSES, sequence_set


def oracle_predictions(
    truth: pd.DataFrame, splits: pd.DataFrame, variants: Mapping[str, str], subsets: Sequence[tuple[str, ...]]
) -> pd.DataFrame:
    """Return the oracle's answers as a predictions table, for the validation and test patients.

    Args:
        truth: ``tables.TRUTH`` rows of all cohorts.
        splits: ``tables.SPLITS``.
        variants: the phantom variant of each cohort.
        subsets: sets of sequences.
    """
    truths = truth.set_index("subject")
    rows = []
    for patient in splits[splits["split"].isin(["val", "test"])].to_dict("records"):
        row = truths.loc[patient["subject"]]
        signs = Signs(str(row["enhancement"]), bool(row["necrosis"]), **{name: bool(row[name]) for name in BINARY})
        for sequences in subsets:
            chances = posterior(VARIANTS[variants[patient["cohort"]]], signs, tuple(sequences))
            rows.append(
                {
                    "subject": patient["subject"],
                    "cohort": patient["cohort"],
                    "split": patient["split"],
                    "sequences": sequence_set(sequences),
                    "protocol": "transfer",
                    "readout": "head",
                    "label": patient["label"],
                    **{f"p_{name}": chance for name, chance in zip(CLASSES, chances)},
                }
            )
    return pd.DataFrame(rows)
