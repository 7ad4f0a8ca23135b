"""Everything of the report that is estimated: computed once from the predictions, kept in ``statistics.json``.

Tables, figures and the page are made from it in a second; only this step resamples and permutes patients.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from threadpoolctl import threadpool_limits

from mmdino.errors import UserError
from mmdino.files import read_json, write_text
from mmdino.forked import forked
from mmdino.reporting.claims import Claim, claims
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.error_analysis import (
    CalibrationRow,
    GroupRow,
    Mistake,
    SelectiveRow,
    calibration_rows,
    group_rows,
    mistakes,
    selective_rows,
)
from mmdino.reporting.estimates import (
    Cell,
    CountCell,
    MainRow,
    RandomCell,
    ReadoutRow,
    count_cells,
    main_rows,
    missing_cells,
    random_cells,
    readout_rows,
)

NAME = "statistics.json"


@dataclass(frozen=True)
class Statistics:
    """The estimates of a study; arms by their experiments' names.

    Attributes:
        main: arms of the main comparison and baselines, against the reference.
        ablations: the ablations that were run, against the reference.
        readouts: every read-out, on validation and on the external test.
        missing: the 15 sets of sequences.
        by_count: the same by number of sequences.
        random: sequences missing at random.
        claims: what the study says to the paper's claims, and further questions.
        calibration: reliability, and what a temperature mends.
        selective: risk–coverage curves.
        groups: cohorts and sites, external test and validation.
        mistakes: the errors of which each arm is surest.
    """

    main: list[MainRow]
    ablations: list[MainRow]
    readouts: list[ReadoutRow]
    missing: list[Cell]
    by_count: list[CountCell]
    random: list[RandomCell]
    claims: list[Claim]
    calibration: list[CalibrationRow] = field(default_factory=list)
    selective: list[SelectiveRow] = field(default_factory=list)
    groups: list[GroupRow] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)


def estimate(data: StudyFiles, processes: int = 1) -> Statistics:
    """Compute the estimates of every arm that is shown, in so many processes."""
    with threadpool_limits(1):  # the products are nine columns wide: more threads of BLAS only wait for each other
        return _estimate(data, processes)


def _estimate(data: StudyFiles, processes: int) -> Statistics:
    main, ablations = data.shown("main", "baseline"), data.shown("ablation")
    every = [*main, *ablations]
    rows = main_rows(data, main)
    parts: dict[str, Callable[[], list]] = {  # those that take longest first
        "selective": lambda: selective_rows(data, every),
        "random": lambda: random_cells(data, every),
        "missing": lambda: missing_cells(data, every),
        "by_count": lambda: count_cells(data, every),
        "groups": lambda: group_rows(data, every),
        "ablations": lambda: main_rows(data, ablations),
        "claims": lambda: claims(data, rows),
        "calibration": lambda: calibration_rows(data, every),
        "readouts": lambda: readout_rows(data, every),
        "mistakes": lambda: mistakes(every),
    }
    return Statistics(main=rows, **forked(parts, processes, "statistics", "part"))


def write_statistics(statistics: Statistics, results: Path) -> None:
    """Write ``statistics.json`` into a study's folder."""
    plain = TypeAdapter(Statistics).dump_python(statistics)
    write_text(results / NAME, json.dumps(plain, indent=1) + "\n")  # with NaN as NaN, where pydantic would write null


def read_statistics(results: Path) -> Statistics:
    """Read a study's ``statistics.json``.

    Raises:
        UserError: it is missing, or of another version of this program.
    """
    try:
        return TypeAdapter(Statistics).validate_python(read_json(results / NAME))
    except ValidationError as error:
        wrong = "; ".join(".".join(map(str, detail["loc"])) for detail in error.errors()[:3])
        raise UserError(
            f"{results / NAME}: is of another version of this program ({wrong}); run `mmdino statistics` again"
        ) from None


def outdated(results: Path) -> str:
    """Return why a study's ``statistics.json`` does not fit this program; "" where it does, or is not there."""
    if not (results / NAME).exists():
        return ""
    try:
        read_statistics(results)
    except UserError as error:
        return str(error)
    return ""
