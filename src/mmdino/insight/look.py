"""Compute the insight of one run: from its weights and the slice bank, within a minute for a small network."""

from typing import Any

import numpy as np
import pandas as pd

from mmdino.dataset.patients import Patients
from mmdino.evaluation.looking import look
from mmdino.files import stable_hash
from mmdino.insight.record import COLUMNS, Insight, TokenMaps
from mmdino.insight.summaries import attention_shares, colours, flat_map, readable, tumour_ratios
from mmdino.insight.tokens import embedding_similarity, watch
from mmdino.methods.base import Run, method
from mmdino.methods.common.network import ViTEncoder
from mmdino.tables import SEQUENCES

SPLITS = ("train", "val", "test")
MOST = 500  # patients of a split


def insight(run: Run, method_name: str, readout: str, most: int = MOST) -> Insight:
    """Return what the trained network of a run sees, of up to ``most`` patients a split, chosen by a hash of their names.

    Labels of the external test serve the map's colours alone.

    Args:
        run: as for prediction.
        method_name: whose network it is; one that is no ViT has features only.
        readout: whose features are mapped; the network's own output stands on ``cls``.
        most: see above.
    """
    encoder, patients = method(method_name).load(run), run.patients
    chosen = {split: _some(patients.select(split), most) for split in SPLITS}
    subjects = [subject for split in SPLITS for subject in chosen[split]]
    seen = look(encoder, patients, subjects, [SEQUENCES], with_head=False, title="what the model sees")[SEQUENCES]
    name = readout if readout in seen.values else next(iter(seen.values))
    features = seen.values[name]
    table = patients.splits.loc[np.array(subjects)[seen.rows]].reset_index(drop=True)
    table[["x", "y"]] = flat_map(features)
    found: dict[str, Any] = {"patients": table[COLUMNS], "sites": _sites(table, features), "readout": name}
    if isinstance(encoder, ViTEncoder):
        found |= _tokens(encoder, patients, chosen)
    return Insight(run.folder.parent.name, run.seed, **found)


def _some(subjects: list[str], most: int) -> list[str]:
    return sorted(sorted(subjects, key=lambda subject: stable_hash("insight", subject))[:most])


def _sites(table: pd.DataFrame, features: np.ndarray) -> list[dict[str, Any]]:
    """Return how well the site is read, of all patients and without the external test's."""
    rows = []
    for said, kept in (("all", table["split"] != ""), ("training and validation", table["split"] != "test")):
        answer = readable(features[kept.to_numpy()], table.loc[kept, "site"].to_numpy(object))
        if answer:
            rows.append({"patients": said, **answer})
    return rows


def _tokens(encoder: ViTEncoder, patients: Patients, chosen: dict[str, list[str]]) -> dict[str, Any]:
    """Return what can be said of validation and test patients who have all of the network's sequences."""
    sequences: list[str] = [*encoder.settings.sequences]
    needed = [SEQUENCES.index(name) for name in sequences]
    found: dict[str, Any] = {"attention": [], "tumour": [], "similarity": embedding_similarity(encoder)}
    subjects, watched = [], []
    for split in ("val", "test"):
        slices = patients.evaluation_slices(chosen[split])
        whole = np.flatnonzero(slices.present[:, needed].all(axis=1))
        if len(whole):
            watched.append(watch(encoder, slices.take(whole)))
            subjects += [chosen[split][row] for row in whole]
            found["attention"] += attention_shares(watched[-1], sequences, split)
            found["tumour"] += tumour_ratios(watched[-1], sequences, split)
    if not watched:
        return found
    both = type(watched[0])(*(np.concatenate(values) for values in zip(*(vars(one).values() for one in watched))))
    shown, found["explained"] = colours(both)
    last = both.attention[:, -1].astype(np.float16)
    found["tokens"] = TokenMaps(np.array(subjects, np.str_), sequences, last, shown)
    return found


def failed(experiment: str, seed: int, error: Exception) -> Insight:
    """Return an insight that says why there is none."""
    said = " ".join(str(error).split()) or type(error).__name__
    return Insight(experiment, seed, problem=said)
