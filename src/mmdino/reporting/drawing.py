"""All figures of the report: drawn and written as files, and brought onto the page from there."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from mmdino.forked import forked
from mmdino.insight.record import Insight
from mmdino.reporting import charts
from mmdino.reporting.captions import CAPTIONS, ORACLE
from mmdino.reporting.charts import Chart
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import MainRow, clinical
from mmdino.reporting.figures import style, training
from mmdino.reporting.figures.by_count import by_count
from mmdino.reporting.figures.calibration import reliability_diagrams
from mmdino.reporting.figures.confusion import confusion_matrices
from mmdino.reporting.figures.cost import mcc_by_cost
from mmdino.reporting.figures.few import CURVES, ROWS, Few, first_few, most_different
from mmdino.reporting.figures.flow import flow_diagram
from mmdino.reporting.figures.forest import forest
from mmdino.reporting.figures.fractions import SHARES, fraction_curves
from mmdino.reporting.figures.groups import mcc_by_group
from mmdino.reporting.figures.insight import attention_by_sequence, embedding_similarity, feature_map
from mmdino.reporting.figures.main import external_mcc
from mmdino.reporting.figures.missing import heat_map, one_missing, random_missing
from mmdino.reporting.figures.quality import quality_distributions
from mmdino.reporting.figures.selective import risk_coverage_curves
from mmdino.reporting.figures.slices import surest_mistakes, token_colours
from mmdino.reporting.figures.training import training_curves
from mmdino.reporting.same import copies
from mmdino.reporting.statistics import Statistics
from mmdino.reporting.svg import POINT, inline
from mmdino.reporting.text import listing


@dataclass(frozen=True)
class Drawn:
    """A figure on the page.

    Attributes:
        svg: as the page holds it.
        name: of its files.
        caption: below it.
        source: file of its numbers.
        pdf: whether there is one for print.
        points: whether some of its points say what they are.
        chart: the same estimates as a chart that is asked, where there is one.
    """

    svg: Markup
    name: str
    caption: str
    source: str
    pdf: bool
    points: bool
    chart: Chart | None


@dataclass(frozen=True)
class Plan:
    """How a figure is drawn (None where there are no numbers), what is said below it, and where its numbers lie.

    ``chart`` returns the same as a chart that is asked.
    """

    draw: Callable[[], Figure | None]
    caption: str
    source: str
    chart: Callable[[], Chart | None] = lambda: None


FOUR = " with all four sequences"
ATTENDED = (
    " On the right: what the CLS token of the first seed attends to on each sequence in its last block (brighter: more; one "
    "scale a patient)."
)


@dataclass(frozen=True)
class Shown:
    """Which arms the figures have room for, and what captions say of those that are left out.

    Attributes:
        rows: with a line each, where sequences are missing.
        curves: the same, upon each other.
        main: of the main comparison and the baselines.
        apart: the same without arms of the same answers.
        ablations: by their differences.
        errors: upon each other, with all four sequences.
        tested: with a panel each.
        trained: with a log.
        missing: said where sequences are missing: of arms tested elsewhere, and of those of the same answers.
        alike: said of arms of the same answers with all four sequences.
        erring: said of both there.
    """

    rows: Few
    curves: Few
    main: Few
    apart: Few
    ablations: Few
    errors: Few
    tested: Few
    trained: Few
    missing: str
    alike: str
    erring: str


def _shown(data: StudyFiles, found: Statistics) -> Shown:
    few, both = partial(first_few, data, found), [*found.main, *found.ablations]
    run = _asked(data, both)
    first = sorted(run, key=lambda name: name != data.study.study.reference)
    copied, same = copies([data.named(name) for name in first], clinical), _same(both)
    elsewhere, alike = _elsewhere(data, both), _drawn_once(data, same, FOUR)
    return Shown(
        rows=few(_without(run, copied), ROWS),
        curves=few(_without(run, copied), CURVES),
        main=few(_asked(data, found.main), ROWS),
        apart=few(_without(_asked(data, found.main), same), ROWS),
        ablations=most_different(found.ablations),
        errors=few(_without(run, same), CURVES),
        tested=few(_without((arm.name for arm in data.shown() if arm.answers("test")), same), ROWS),
        trained=few([arm.name for arm in data.shown() if training.logged(arm)], CURVES),
        missing=elsewhere + _drawn_once(data, copied),
        alike=alike,
        erring=elsewhere + alike,
    )


def _plans(data: StudyFiles, found: Statistics) -> dict[str, Plan]:
    """Return every figure's plan; what a figure has no room or no place for, its caption says."""
    shown, both = _shown(data, found), [*found.main, *found.ablations]
    return {
        "external-mcc": Plan(
            lambda: external_mcc(data, shown.main.of(found.main), "External test, all four sequences"),
            _said(data, "external-mcc") + shown.main.said + _elsewhere(data, found.main),
            "tables/main.tsv",
            lambda: charts.by_measure(data, shown.main.of(found.main)),
        ),
        "ablations": Plan(
            lambda: forest(data, shown.ablations.of(found.ablations), "Ablations: external test, all four sequences"),
            CAPTIONS["ablations"] + _without_difference(data, found.ablations) + shown.ablations.said,
            "tables/ablations.tsv",
        ),
        "fractions": Plan(
            lambda: fraction_curves(data, both),
            CAPTIONS["fractions"] + _lacking_seeds(data),
            "tables/ablations.tsv",
            lambda: charts.fractions(data, both),
        ),
        "missing-sequences": Plan(
            lambda: heat_map(data, shown.rows.of(found.missing)),
            _said(data, "missing-sequences") + shown.rows.said + shown.missing,
            "tables/missing-sequences.tsv",
        ),
        "by-count": Plan(
            lambda: by_count(data, shown.curves.of(found.by_count)),
            _said(data, "by-count") + shown.curves.said + shown.missing,
            "tables/missing-sequences.tsv",
            lambda: charts.by_count(data, shown.curves.of(found.by_count)),
        ),
        "one-missing": Plan(
            lambda: one_missing(data, shown.curves.of(found.missing)),
            _said(data, "one-missing") + shown.curves.said + shown.missing,
            "tables/missing-sequences.tsv",
            lambda: charts.one_missing(data, shown.curves.of(found.missing)),
        ),
        "random-missing": Plan(
            lambda: random_missing(data, shown.curves.of(found.random)),
            CAPTIONS["random-missing"] + shown.curves.said + shown.missing,
            "tables/random-missing.tsv",
            lambda: charts.random_missing(data, shown.curves.of(found.random)),
        ),
        "confusion": Plan(
            lambda: confusion_matrices(data, shown.tested.arms),
            CAPTIONS["confusion"] + shown.tested.said + shown.alike,
            "runs/*/seed-*/predictions.parquet",
        ),
        "cost": Plan(
            lambda: mcc_by_cost(data, shown.apart.of(found.main)),
            CAPTIONS["cost"]
            + shown.apart.said
            + _elsewhere(data, found.main)
            + _drawn_once(data, _same(found.main), FOUR),
            "tables/cost.tsv",
            lambda: charts.by_cost(data, shown.apart.of(found.main)),
        ),
        "groups": Plan(
            lambda: mcc_by_group(data, shown.errors.of(found.groups)),
            CAPTIONS["groups"] + shown.errors.said + shown.erring,
            "tables/groups.tsv",
        ),
        "calibration": Plan(
            lambda: reliability_diagrams(data, shown.errors.of(found.calibration)),
            CAPTIONS["calibration"] + shown.errors.said + shown.erring,
            "tables/calibration.tsv",
        ),
        "selective": Plan(
            lambda: risk_coverage_curves(data, shown.errors.of(found.selective)),
            CAPTIONS["selective"] + shown.errors.said + shown.erring,
            "tables/selective.tsv",
        ),
        "mistakes": Plan(
            lambda: surest_mistakes(data, found.mistakes),
            CAPTIONS["mistakes"] + (ATTENDED if data.insight and data.insight.tokens else ""),
            "tables/mistakes.tsv, insight/tokens.npz",
        ),
        **_insight_plans(data),
        "flow": Plan(
            lambda: flow_diagram(data),
            CAPTIONS["flow"],
            "tables/flow.tsv",
        ),
        "quality": Plan(
            lambda: quality_distributions(data),
            CAPTIONS["quality"],
            "tables/quality.tsv, tables/flagged.tsv",
        ),
        "training": Plan(
            lambda: training_curves(data, shown.trained.arms),
            CAPTIONS["training"] + shown.trained.said,
            "runs/*/seed-*/log.jsonl",
        ),
    }


def _asked(data: StudyFiles, rows: Iterable[MainRow]) -> list[str]:
    """Return the arms of the rows that have a figure of the external test, by name."""
    return [row.arm for row in rows if row.mcc and not data.named(row.arm).elsewhere]


def _said(data: StudyFiles, name: str) -> str:
    """Return the caption of a figure that shows the sign oracle where there is one."""
    return CAPTIONS[name] + (ORACLE[name] if data.oracle else "")


def _elsewhere(data: StudyFiles, rows: Iterable[MainRow]) -> str:
    """Return what is said below a figure of the external test about arms that were tested on other patients."""
    arms = [arm.title for row in rows if row.mcc and (arm := data.named(row.arm)).elsewhere]
    return f" In the table alone, since tested on a left-out cohort: {listing(arms)}." if arms else ""


def _same(rows: Iterable[MainRow]) -> dict[str, str]:
    """Return the arms that give the answers of another one with all four sequences, and of which."""
    return {row.arm: row.same_as for row in rows if row.same_as}


def _without(arms: Iterable[str], copied: Collection[str]) -> list[str]:
    return [arm for arm in arms if arm not in copied]


def _drawn_once(data: StudyFiles, same: Mapping[str, str], asked: str = "") -> str:
    """Return which arms stand for others that give the same answers to what the figure asks."""
    pairs = [f"{data.named(of).title} also stands for {data.named(arm).title}" for arm, of in same.items()]
    return f" The same predictions{asked} are drawn once: {listing(pairs)}." if pairs else ""


def _without_difference(data: StudyFiles, rows: Iterable[MainRow]) -> str:
    """Return which of the ablations that have answers stand not among paired differences, and why."""
    arms = [(row, data.named(row.arm)) for row in rows if not row.difference and row.arm != data.study.study.reference]
    why = [
        f"{arm.title} (same predictions{FOUR} as {data.named(row.same_as).title})" if row.same_as
        else f"{arm.title} ({arm.tested if arm.elsewhere else 'nothing to compare with'})"
        for row, arm in arms if arm.done
    ]  # fmt: skip
    return f" Without a difference: {listing(why)}." if why else ""


def _lacking_seeds(data: StudyFiles) -> str:
    """Return which points of the curves by share are of arms that lack seeds."""
    shares = [arm for arm in data.shown() if any(getattr(arm.experiment.data, share) < 1 for share in SHARES)]
    return f" Not of all seeds: {listing(partly)}." if (partly := [arm.label for arm in shares if arm.apart]) else ""


def _insight_plans(data: StudyFiles) -> dict[str, Plan]:
    found = data.insight or Insight("", 0)
    return {
        "attention": Plan(
            lambda: attention_by_sequence(data, found),
            CAPTIONS["attention"],
            "insight/insight.json",
        ),
        "tokens": Plan(
            lambda: token_colours(data),
            f"{CAPTIONS['tokens']} They show {100 * found.explained:.0f} % of the tokens' variance.",
            "insight/tokens.npz",
        ),
        "feature-map": Plan(
            lambda: feature_map(data, found),
            CAPTIONS["feature-map"],
            "insight/patients.parquet",
        ),
        "embeddings": Plan(
            lambda: embedding_similarity(data, found),
            CAPTIONS["embeddings"],
            "insight/insight.json",
        ),
    }


def sources(data: StudyFiles, found: Statistics) -> dict[str, str]:
    """Return, by figure, the file in which its numbers lie."""
    return {name: plan.source for name, plan in _plans(data, found).items()}


def write_figures(
    data: StudyFiles, found: Statistics, kinds: Collection[str] = style.KINDS, processes: int = 1
) -> None:
    """Write ``figures/`` (SVG always, PDF and PNG if asked); one that has no numbers any more is removed."""
    folder, plans = data.out / "figures", _plans(data, found)
    folder.mkdir(parents=True, exist_ok=True)
    forked(
        {name: partial(_write_figure, name, plan, folder, kinds) for name, plan in plans.items()},
        processes,
        "figures",
        "figure",
    )


def _write_figure(name: str, plan: Plan, folder: Path, kinds: Collection[str]) -> None:
    with style.styled():
        figure = plan.draw()
        if figure is not None:
            style.save(figure, folder, name, kinds)
        else:
            for old in folder.glob(f"{name}.*"):
                old.unlink()


def drawn(data: StudyFiles, found: Statistics) -> dict[str, Drawn]:
    """Return the figures that are there, ready for the page."""
    shown = {}
    for name, plan in _plans(data, found).items():
        path = data.out / "figures" / f"{name}.svg"
        if path.exists():
            svg, pdf = inline(path, plan.caption), path.with_suffix(".pdf").exists()
            shown[name] = Drawn(svg, name, plan.caption, plan.source, pdf, POINT in svg, plan.chart())
    return shown
