"""Somebody's own lists of who trains, validates and is tested, such as the authors'."""

import logging
from pathlib import Path

import pandas as pd

from mmdino.cohorts.common.metadata import decoded
from mmdino.cohorts.ucsf_pdgm import identity as ucsf_identity
from mmdino.errors import UserError

SPLITS = ("train", "val", "test")  # who stands in several lists is in the last of them
SUFFIXES = (".txt", ".csv", ".tsv")
log = logging.getLogger(__name__)


def read_lists(folder: Path | str) -> dict[str, str]:
    """Return the split of each id (case ignored, without ``sub-``).

    Every ``.txt``, ``.csv`` and ``.tsv`` file counts whose name contains train, val or test; the first word of each line
    is an id. So a file may be of one cohort or of all, with a header or without (it is then an id of nobody); in UTF-8 or
    as Excel saves it (UTF-16, cp1252).

    Raises:
        UserError: the folder is missing, a name says two splits, a list cannot be read or is no text, or no list of train or of
            val is there.
    """
    folder = Path(folder)
    files = sorted(path for path in folder.glob("**/*") if path.suffix.lower() in SUFFIXES)
    found: dict[str, str] = {}
    for path in files:
        named = [split for split in SPLITS if split in path.stem.casefold()]
        if len(named) > 1:
            raise UserError(f"{path}: its name says {' and '.join(named)}; rename it after one of them")
        for line in _text(path).splitlines() if named else []:
            words = line.replace(",", " ").replace(";", " ").split()
            name = words[0].strip("\"'").casefold().removeprefix("sub-") if words else ""
            if name and SPLITS.index(named[0]) >= SPLITS.index(found.get(name, "train")):
                found[name] = named[0]
    for split in ("train", "val"):
        if split not in found.values():
            raise UserError(
                f"{folder}: holds no list of {split} (a .txt, .csv or .tsv file with '{split}' in its name, an id a "
                "line); mend 'splits.lists' of the study"
            )
    return found


def _text(path: Path) -> str:
    try:
        text = decoded(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); mend that, or take it out of the folder") from None
    if "\0" in text:
        raise UserError(f"{path}: is no text (it holds zero bytes); save it again as UTF-8, an id a line")
    return text


def listed_split(names: pd.Series, lists: dict[str, str]) -> pd.Series:
    """Return each patient's split by the lists; empty where they know none of the patient's names.

    Ids of UCSF-PDGM may be in the numbering from before its version 3, in which one patient may have two of them. What was
    not found is logged.

    Args:
        names: by patient, sets of names, the first of which counts that has one in the lists; who stands in several
            lists is in the last of them.
        lists: as :func:`read_lists` returns them.
    """
    known: dict[str, str] = {}
    for name, split in lists.items():
        known[_current(name)] = _last(known.get(_current(name), split), split)
    today = names.map(lambda groups: [{_current(name.casefold()) for name in group} for group in groups])
    found = today.map(lambda groups: _split(groups, known))
    own = {name for groups in today for group in groups for name in group}
    nobody = sorted(name for name in lists if _current(name) not in own)
    if nobody:
        log.warning("splits.lists: %d ids are of nobody here: %s", len(nobody), ", ".join(nobody[:4]))
    if (found == "").any():
        left = ", ".join(sorted(groups[0])[0] for groups in names[found == ""].head(4))
        log.warning("splits.lists: %d patients stand in no list and are left out: %s", (found == "").sum(), left)
    return found


def _split(groups: list[set[str]], known: dict[str, str]) -> str:
    """Return the last split of the first group of names that has any."""
    splits = ([known[name] for name in group if name in known] for group in groups)
    return next((_last(*found) for found in splits if found), "")


def _last(*splits: str) -> str:
    return max(splits, key=SPLITS.index)


def _current(name: str) -> str:
    """Return an id in today's numbering of UCSF-PDGM, or as it is."""
    return ucsf_identity(name).casefold() if name.startswith("ucsf-pdgm-") else name
