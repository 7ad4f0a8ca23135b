"""Who is one patient: sessions of one name in the manifests, and pairs that the leakage audit joined."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def identities(sessions: pd.DataFrame, pairs: pd.DataFrame | None, policy: str) -> pd.Series:
    """Return the patient of each session; a patient is called by the first of its names.

    Args:
        sessions: rows with cohort, subject and patient (empty: the subject).
        pairs: ``tables.LEAKAGE``, of which the sure ones count (``join``, or ``keep`` if the audit had that policy); None
            if there was no audit.
        policy: of ``leakage.policy``; with ``keep`` every subject is a patient of its own.
    """
    if policy == "keep":
        return sessions["subject"].copy()
    names = sessions["patient"].where(sessions["patient"] != "", sessions["subject"])
    persons = list(zip(sessions["cohort"], sessions["subject"]))
    number: dict = {}
    for key in [*persons, *names.str.casefold()]:
        number.setdefault(key, len(number))
    edges = [(number[person], number[name.casefold()]) for person, name in zip(persons, names)]
    for pair in [] if pairs is None else pairs[pairs["action"] != "review"].itertuples():
        ends = (pair.a_cohort, pair.a), (pair.b_cohort, pair.b)
        if ends[0] in number and ends[1] in number:
            edges.append((number[ends[0]], number[ends[1]]))
    rows, columns = np.array(edges, int).reshape(-1, 2).T
    _, component = connected_components(coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(number),) * 2))
    group = pd.Series(component[[number[person] for person in persons]], index=sessions.index)
    return names.groupby(group).transform("min")
