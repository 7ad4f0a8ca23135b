"""The answer: a sentence a claim, with its figure and interval, whichever arm wins."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmdino.evaluation.compare import Estimate, arm_mcc, paired_difference
from mmdino.evaluation.predictions import Answers
from mmdino.reporting.data import Arm, StudyFiles
from mmdino.reporting.estimates import MainRow, ceiling, one_missing
from mmdino.reporting.text import count, listing, p_value, with_span

FOUND, SUPPORTED, UNCLEAR, OPPOSITE, UNTESTED = "finding", "supported", "not shown", "the opposite", "not run"
START, UNMASKED, SUPERVISED = "starter-frozen", "mm-dinov2-no-full-modality-masking", "supervised-"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, or a question to the study, with what the study says to it."""

    title: str
    verdict: str
    sentence: str


def claims(data: StudyFiles, rows: list[MainRow]) -> list[Claim]:
    """Return the claims in reading order."""
    main = data.reference.title if data.reference else data.study.study.reference
    supervised = [arm for arm in data.arms if arm.name.startswith(SUPERVISED)]
    start, unmasked = data.arm(START), data.arm(UNMASKED)
    return [
        _best(data, rows),
        _against(data, f"{main} improves on the network it starts from", [start] if start else [], _whole),
        _against(data, f"{main} beats supervised training, all sequences at hand", supervised, _whole),
        _against(
            data,
            "Full-modality masking helps when one sequence is missing",
            [unmasked] if unmasked else [],
            one_missing,
        ),
        _against(data, f"{main} beats supervised training when one sequence is missing", supervised, one_missing),
    ]


def _whole(arm: Arm) -> list[Answers]:
    return arm.answers("test")


def _best(data: StudyFiles, rows: list[MainRow]) -> Claim:
    title = "The best arm on the external test"
    ranked = sorted(((row.mcc.value, row) for row in rows if row.mcc), key=lambda pair: -pair[0])
    if not ranked:
        return Claim(title, UNTESTED, f"No arm has been tested yet; run `{data.arms[0].command}`.")
    best = ranked[0][1]
    assert best.mcc is not None
    bound = ceiling(data)
    limit = f"; the sign oracle, the ceiling, has {with_span(_estimate(bound))}" if bound else ""
    sentence = f"{best.arm.title} has the highest MCC, {with_span(best.mcc)} (n = {count(best.mcc.n)}){limit}."
    if len(ranked) > 1:
        second = ranked[1][1].arm
        gap = paired_difference(_whole(best.arm), _whole(second), data.replicates)
        sentence += f" Its lead over the next, {second.title}, is {_said(gap)}."
    missing = [row.arm.title for row in rows if row.mcc is None]
    if missing:
        sentence += f" Not run: {listing(missing)}."
    return Claim(title, FOUND, sentence)


def _against(data: StudyFiles, title: str, others: Sequence[Arm], answers: object) -> Claim:
    """Compare the reference arm with others, by ``answers(arm)``."""
    assert callable(answers)
    reference = data.reference
    if reference is None or not others:
        return Claim(title, UNTESTED, "The study has no arm to compare with.")
    missing = [arm for arm in (reference, *others) if not answers(arm)]
    tested = [arm for arm in others if arm not in missing]
    commands = f" Not run: {listing([f'{arm.title} (`{arm.command}`)' for arm in missing])}." if missing else ""
    if reference in missing or not tested:
        return Claim(title, UNTESTED, commands.strip())
    ours = arm_mcc(answers(reference), data.replicates)
    parts, gaps = [], []
    for arm in tested:
        theirs = arm_mcc(answers(arm), data.replicates)
        gap = paired_difference(answers(reference), answers(arm), data.replicates)
        if gap is None:
            return Claim(title, UNTESTED, "The external test has patients of fewer than two classes.")
        gaps.append(gap)
        parts.append(f"{with_span(theirs)} for {arm.title} (difference {_said(gap)})")
    over = " on average over the four cases" if answers is one_missing else ""
    n = count(gaps[0].n)
    sentence = f"MCC {with_span(ours)} for {reference.title} against {listing(parts)}{over}; n = {n}.{commands}"
    return Claim(title, _verdict(gaps), sentence)


def _verdict(gaps: list[Estimate]) -> str:
    """Return supported only if every difference is clear, the opposite if one is clearly the other way."""
    if any(gap.high < 0 for gap in gaps):
        return OPPOSITE
    return SUPPORTED if all(gap.low > 0 for gap in gaps) else UNCLEAR


def _said(gap: Estimate | None) -> str:
    if gap is None:
        return "unknown"
    return f"{with_span(gap, signed=True)}, p\u00a0{_equals(p_value(gap.p))}"


def _equals(p: str) -> str:
    return (p if p.startswith("<") else f"= {p}").replace(" ", "\u00a0")


def _estimate(bound: dict[str, float]) -> Estimate:
    value = bound["mcc"]
    return Estimate(value, bound.get("low", value), bound.get("high", value), None, int(bound.get("n", 0)), 1)
