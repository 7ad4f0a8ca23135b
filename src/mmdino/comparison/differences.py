"""The three comparisons: data, settings, results. Each is a table with a sentence."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from mmdino.comparison.people import changed, in_common, other_patients, paired
from mmdino.comparison.sides import Side
from mmdino.evaluation.compare import Difference, Estimate, arm_mcc, holm, paired_difference, unpaired_difference
from mmdino.reporting.same import same_answers
from mmdino.reporting.text import NONE, p_value, with_span

ABSENT = "(none)"  # a setting that one side does not have


@dataclass(frozen=True)
class Section:
    """A heading, a sentence, and a table (which may have no rows)."""

    title: str
    said: str
    columns: list[str]
    rows: list[list[str]]


def compare(a: Side, b: Side, replicates: int) -> list[Section]:
    """Return what changed from ``a`` to ``b``; patients are resampled ``replicates`` times for intervals."""
    others = other_patients(a, b)
    return [origin(a, b), data(a, b, others), settings(a, b), results(a, b, others, replicates)]


def origin(a: Side, b: Side) -> Section:
    """Return what both sides are: where they lie, which commits and versions made their runs."""
    rows = [["results", str(a.folder), str(b.folder)]]
    rows.append(["runs", *(str(len(side.records)) for side in (a, b))])
    rows.append(["commits of the runs", *(_commits(side) for side in (a, b))])
    rows.append(["devices", *(_distinct(side, "device") for side in (a, b))])
    versions = [_versions(side) for side in (a, b)]
    for package in sorted(set(versions[0]) & set(versions[1])):
        if versions[0][package] != versions[1][package]:
            rows.append([f"version of {package}", versions[0][package], versions[1][package]])
    missing = [side.name for side in (a, b) if not side.records]
    said = f"{' and '.join(missing)} has no run at hand; what is configured is compared. " if missing else ""
    return Section("What is compared", f"{said}A is {a.name}, B is {b.name}.", ["", "A", "B"], rows)


def data(a: Side, b: Side, others: set[str]) -> Section:
    """Return the changes of patients, labels and splits, and whether the runs saw the same data.

    ``others``: phantom cohorts that were made anew.
    """
    prints = [_distinct(side, "data") for side in (a, b)]
    rows = [["fingerprint of the runs' data", *prints]]
    for cohort in _union(a.manifest["cohort"], b.manifest["cohort"]):
        ours, theirs = (side.manifest[side.manifest["cohort"] == cohort] for side in (a, b))
        rows.append([f"{cohort}: patients found", _count(ours), _count(theirs)])
        gone, new = _only_one(ours, theirs)
        if (gone or new) and len(ours) and len(theirs):
            rows.append([f"{cohort}: in one only", str(gone), str(new)])
        for column in ("label", "excluded"):
            if number := changed(ours, theirs, column):
                rows.append([f"{cohort}: another '{column}'", "", f"{number} patients"])
        if cohort in others:
            rows.append([f"{cohort}: made anew", "", "the same names, other patients"])
    for split in _union(a.splits["split"], b.splits["split"]):
        ours, theirs = (side.splits[side.splits["split"] == split] for side in (a, b))
        rows.append([f"split {split}: patients", _count(ours), _count(theirs)])
    if moved := changed(a.splits, b.splits, "split"):
        rows.append(["in another split", "", f"{moved} patients"])
    known = [text for text in prints if text != NONE]
    same = len(set(known)) == 1 and len(known) == 2 and ", " not in known[0]
    said = (
        "The runs of both saw the same images, splits and labels."
        if same
        else "The runs did not all see the same data."
    )
    if len(known) < 2:
        said = "Whether the runs saw the same data is not known: a side has none."
    return Section("Data", said, ["", "A", "B"], rows)


def settings(a: Side, b: Side) -> Section:
    """Return every resolved setting that differs; arms in which the same differs share a row."""
    found: dict[tuple[str, str, str], list[str]] = {}
    both = [arm for arm in a.arms if arm in b.arms]
    for arm in both:
        for change in _changes(a.arms[arm], b.arms[arm]):
            found.setdefault(change, []).append(arm)
    rows = [[_listed(arms, both), *change] for change, arms in found.items()]
    if a.study and b.study:
        rows = [["(study)", *change] for change in _changes(a.study, b.study)] + rows
    rows += [["(arm)", arm, "yes", "no"] for arm in a.arms if arm not in b.arms]
    rows += [["(arm)", arm, "no", "yes"] for arm in b.arms if arm not in a.arms]
    said = f"{len(both)} arms are in both." if rows else f"No setting of the {len(both)} arms in both differs."
    if not (a.study and b.study):
        said += " Settings of the whole study are not compared: a folder's study file was not found, or is refused."
    return Section("Settings", said, ["arm", "setting", "A", "B"], rows)


def results(a: Side, b: Side, others: set[str], replicates: int) -> Section:
    """Return each arm's MCC on the external test with all sequences, and B − A with its interval."""
    lines = [_line(a, b, arm, others, replicates) for arm in _union(a.runs, b.runs)]
    corrected = iter(holm(line.difference.p for line in lines if line.difference))
    rows = [
        [
            line.arm,
            str(line.difference.n) if line.difference else NONE,
            with_span(line.a),
            with_span(line.b),
            _signed(line.difference),
            p_value(next(corrected)) if line.difference else NONE,
            line.how,
        ]
        for line in lines
    ]
    said = (
        "MCC on the external test with all sequences, mean over seeds, by each arm's own read-out. Intervals are 95 % "
        "over patients, and for B − A over seeds too where both sides have several; p is corrected by Holm's method. "
        "Paired: on the patients that both sides tested; unpaired: each side's are resampled by themselves."
    )
    return Section("Results", said, ["arm", "n", "MCC of A", "MCC of B", "B − A", "p", "how"], rows)


class _Line(NamedTuple):
    """An arm's result: its MCC on both sides, the difference where there is one, and how the sides were compared."""

    arm: str
    a: Estimate | None
    b: Estimate | None
    difference: Difference | None
    how: str


def _line(a: Side, b: Side, arm: str, others: set[str], replicates: int) -> _Line:
    ours, theirs = ([run for run in side.runs.get(arm, []) if run.answers is not None] for side in (a, b))
    said, other = ([run.answers for run in runs if run.answers is not None] for runs in (ours, theirs))
    before, after = (arm_mcc([[one] for one in answers], replicates) for answers in (said, other))
    missing = [name for name, runs in (("A", ours), ("B", theirs)) if not runs]
    if missing:
        return _Line(arm, before, after, None, f"no predictions in {' and '.join(missing)}")
    if same_answers(said, other):
        return _Line(arm, before, after, None, "the same predictions")
    together = paired(said, other, in_common(ours, theirs, others))
    first, second = ([[one] for one in answers] for answers in together or (said, other))
    difference = (paired_difference if together else unpaired_difference)(second, first, replicates)
    how = "paired" if together else "unpaired: other patients"
    return _Line(arm, before, after, difference, how if difference else "fewer than two classes were tested")


def _signed(difference: Difference | None) -> str:
    if difference is None or difference.total_low is None or difference.total_high is None:
        return with_span(difference, signed=True)
    whole = Estimate(difference.value, difference.total_low, difference.total_high, difference.n, difference.runs)
    return with_span(whole, signed=True)


def _changes(ours: dict[str, Any], theirs: dict[str, Any]) -> list[tuple[str, str, str]]:
    flat = [_flat(side) for side in (ours, theirs)]
    pairs = [(key, flat[0].get(key, ABSENT), flat[1].get(key, ABSENT)) for key in _union(*flat)]
    return [(key, str(mine), str(other)) for key, mine, other in pairs if mine != other]


def _flat(value: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested settings as ``bank.crop: 96``."""
    found: dict[str, Any] = {}
    for key, part in value.items():
        found |= _flat(part, f"{before}{key}.") if isinstance(part, dict) and part else {f"{before}{key}": part}
    return found


def _listed(arms: list[str], known: list[str]) -> str:
    return f"all {len(known)} arms" if len(arms) == len(known) > 2 else ", ".join(arms)


def _distinct(side: Side, key: str) -> str:
    return ", ".join(sorted({str(record.get(key) or "unknown") for record in side.records})) or NONE


def _commits(side: Side) -> str:
    """Return the commits in short; that a tree had changes besides (``-dirty``) stays to be seen."""
    parts = {(run.commit or "unknown").partition("-") for runs in side.runs.values() for run in runs if run.record}
    return ", ".join(sorted(f"{name[:12]}{dash}{more}" for name, dash, more in parts)) or NONE


def _versions(side: Side) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for record in side.records:
        for package, version in record.get("versions", {}).items():
            found.setdefault(package, set()).add(str(version))
    return {package: ", ".join(sorted(versions)) for package, versions in found.items()}


def _union(first: Any, second: Any) -> list[str]:
    """Return what is in either, in the order of their first appearance."""
    return list(dict.fromkeys([*first, *second]))


def _count(rows: pd.DataFrame) -> str:
    return str(rows["subject"].nunique())


def _only_one(ours: pd.DataFrame, theirs: pd.DataFrame) -> tuple[int, int]:
    first, second = set(ours["subject"]), set(theirs["subject"])
    return len(first - second), len(second - first)
