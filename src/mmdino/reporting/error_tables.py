"""Tables of the error analysis: calibration, selective prediction, cohorts and sites, mistakes."""

from typing import Any

import pandas as pd

from mmdino.evaluation.calibration import BINS
from mmdino.evaluation.selective import COVERAGES
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.error_analysis import CALIBRATION, CalibrationRow, GroupRow, Mistake, SelectiveRow
from mmdino.reporting.tables import Column, Table, interval, number, parts, text, who
from mmdino.reporting.text import NONE, count, score
from mmdino.tables import CLASSES

NAN = float("nan")
RUNS = "runs/*/seed-*/predictions.parquet"
AT = (0.5, 0.8, 1.0)  # coverages of the table
CALLED = {"ece": "ECE", "brier": "Brier", "log_loss": "Log-loss"}


def calibration_table(data: StudyFiles, rows: list[CalibrationRow]) -> Table:
    """Return each arm's calibration on the external test, before and after temperature scaling."""
    lines = []
    for row in rows:
        line: dict[str, Any] = who(data.named(row.arm)) | {"temperature": row.temperature}
        for metric in CALIBRATION:
            line |= parts(metric, row.before[metric]) | parts(f"{metric}_scaled", row.after.get(metric))
        lines.append(line | {"n": row.before["ece"].n, "runs": row.before["ece"].runs})
    names = ["experiment", "arm", "temperature"]
    for metric in CALIBRATION:
        names += [f"{metric}{kind}{end}" for kind in ("", "_scaled") for end in ("", "_low", "_high")]
    return Table(
        name="calibration",
        title=data.titled("Calibration on the external test"),
        frame=pd.DataFrame(lines, columns=[*names, "n", "runs"]),
        columns=[
            text("Arm", "arm"),
            *(
                Column(f"{CALLED[metric]}{said} [95 %]", interval(f"{metric}{kind}"), f"{metric}{kind}")
                for metric in CALIBRATION
                for kind, said in (("", ""), ("_scaled", ", scaled"))
            ),
            number("Temperature", "temperature", _plain, help="mean over seeds; above 1: too sure on validation"),
            number("n", "n", count),
        ],
        source=RUNS,
        swatch="experiment",
        note="Less is better. Scaled: one temperature a run, fitted on its validation patients by log-loss (Guo et al. "
        "2017) and applied to the external test; the named class stays the same. ECE: 15 bins of equal width; the "
        f"figure shows {BINS}.",
    )


def _plain(value: float) -> str:
    return NONE if pd.isna(value) else f"{value:.2f}"


def selective_table(data: StudyFiles, rows: list[SelectiveRow]) -> Table:
    """Return each arm's area under the risk–coverage curve, and its error rate at some coverages."""
    lines = []
    for row in rows:
        line: dict[str, Any] = who(data.named(row.arm)) | parts("aurc", row.curve.aurc) | {"aurc_best": row.curve.best}
        for coverage, *values in zip(COVERAGES, row.curve.risk, row.curve.low, row.curve.high):
            if coverage in AT:
                line |= dict(zip(_risk(coverage), values))
        lines.append(line | {"n": row.curve.aurc.n, "runs": row.curve.aurc.runs})
    names = ["experiment", "arm", "aurc", "aurc_low", "aurc_high", "aurc_best"]
    names += [name for coverage in AT for name in _risk(coverage)]
    return Table(
        name="selective",
        title=data.titled("Selective prediction on the external test"),
        frame=pd.DataFrame(lines, columns=[*names, "n", "runs"]),
        columns=[
            text("Arm", "arm"),
            Column("AURC [95 %]", interval("aurc"), "aurc", help="area under the risk–coverage curve; less is better"),
            number("Least possible", "aurc_best", score, help="if the errors were the least confident answers"),
            *(
                Column(
                    f"Errors, surest {100 * coverage:.0f} % [95 %]", interval(_risk(coverage)[0]), _risk(coverage)[0]
                )
                for coverage in AT
            ),
            number("n", "n", count),
        ],
        source=RUNS,
        swatch="experiment",
        note="Patients are answered in the order of confidence (probability of the named class), and the rest left to a "
        "person: the error rate among those answered (Geifman and El-Yaniv 2017).",
    )


def _risk(coverage: float) -> list[str]:
    return [f"risk_{100 * coverage:.0f}{end}" for end in ("", "_low", "_high")]


def group_table(data: StudyFiles, rows: list[GroupRow]) -> Table:
    """Return each arm by split, cohort and, where a cohort has several, site."""
    lines = []
    for row in rows:
        arm = data.named(row.arm)
        line: dict[str, Any] = who(arm) | {"split": row.split, "cohort": row.cohort, "site": row.site}
        line |= {"place": arm.tested if row.split == "test" else "validation"}
        line |= {"n": row.n} | dict(zip(CLASSES, row.classes)) | parts("mcc", row.mcc)
        lines.append(line | parts("balanced_accuracy", row.balanced_accuracy))
    names = ["experiment", "arm", "split", "place", "cohort", "site", "n", *CLASSES, "mcc", "mcc_low", "mcc_high"]
    names += ["balanced_accuracy", "balanced_accuracy_low", "balanced_accuracy_high"]
    return Table(
        name="groups",
        title=data.titled("By cohort and site: external test and validation"),
        frame=pd.DataFrame(lines, columns=names),
        columns=[
            text("Arm", "arm"),
            text("Split", "place"),
            text("Cohort", "cohort"),
            Column("Site", lambda row: row["site"] or "all", number=False),
            Column("Astro / GBM / oligo", lambda row: " / ".join(count(row[name]) for name in CLASSES), "n"),
            Column("MCC [95 %]", interval("mcc"), "mcc"),
            Column("Bal. acc. [95 %]", interval("balanced_accuracy"), "balanced_accuracy"),
        ],
        source=f"{RUNS}; splits.tsv",
        swatch="experiment",
        note="A site stands by itself where its cohort has several. MCC needs ten patients of two "
        "classes, balanced accuracy of all three. Validation chose settings and weights, so that its figures flatter.",
    )


def mistake_table(data: StudyFiles, rows: list[Mistake]) -> Table:
    """Return the mistakes of which each arm is surest."""
    places = data.splits.drop_duplicates("subject").set_index("subject")
    lines = []
    for row in rows:
        place = places.loc[row.subject] if row.subject in places.index else {"cohort": "", "site": ""}
        line = who(data.named(row.arm)) | {"subject": row.subject, "cohort": place["cohort"], "site": place["site"]}
        said = {"truth": row.truth, "predicted": row.predicted, "confidence": row.confidence, "given": row.given}
        lines.append(line | said)
    names = ["experiment", "arm", "subject", "cohort", "site", "truth", "predicted", "confidence", "given"]
    return Table(
        name="mistakes",
        title=data.titled("The most confident mistakes on the external test"),
        frame=pd.DataFrame(lines, columns=names),
        columns=[
            text("Arm", "arm"),
            text("Patient", "subject"),
            text("Cohort", "cohort"),
            text("Site", "site"),
            text("Is", "truth"),
            text("Taken for", "predicted"),
            number("Confidence", "confidence", score, help="probability of the named class, mean over seeds"),
            number("Of the true class", "given", score, help="its probability, mean over seeds"),
        ],
        source=RUNS,
        swatch="experiment",
    )


def site_table(data: StudyFiles) -> Table:
    """Return how well the site is read from the reference arm's features."""
    names = ["patients", "classes", "n", "balanced_accuracy", "chance", "chance_high"]
    return Table(
        name="sites",
        title=data.titled("How well the site is read from the features"),
        frame=pd.DataFrame(data.insight.sites if data.insight else [], columns=names),
        columns=[
            text("Patients", "patients"),
            number("Sites", "classes", count),
            number("n", "n", count),
            number("Balanced accuracy", "balanced_accuracy", score),
            number("Chance", "chance", score, help="one over the number of sites"),
            number("Shuffled, highest", "chance_high", score, help="of five shufflings of the sites"),
        ],
        source="insight/insight.json",
        note="L2 logistic regression on standardised features, stratified five-fold cross-validation; sites with fewer "
        "than ten patients are left out. Sites may also differ in their patients, so that chance is a floor.",
    )
