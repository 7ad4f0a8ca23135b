"""The claim check: each claim of the paper's abstract, and our own questions, with figures, whichever arm wins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from mmdino.evaluation.compare import Difference, Estimate, Run, arm_mcc, paired_difference
from mmdino.reporting.data import Arm, StudyFiles
from mmdino.reporting.estimates import MainRow, ceiling, one_missing, whole
from mmdino.reporting.text import count, equals, listing, score, span, with_span

Verdict = Literal["supported", "not supported", "not testable", "finding"]
START, UNMASKED = "starter-frozen", "mm-dinov2-no-full-modality-masking"
WITHOUT_UNLABELLED = ("mm-dinov2-no-unlabelled", "unlabelled-fraction-0")  # the first that was run
SUPERVISED = ("supervised-", "nnunet-")
PUBLISHED_MCC, PUBLISHED_GAIN = 0.6, 0.111  # the abstract's (config/published.yaml)
Answering = Callable[[Arm], list[Run]]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper's abstract (``paper``), or a question of ours, with what the study says to it."""

    title: str
    verdict: Verdict
    sentence: str
    paper: bool = False


def claims(data: StudyFiles, rows: list[MainRow]) -> list[Claim]:
    """Return the paper's claims, then our questions."""
    main = data.reference.title if data.reference else data.study.study.reference
    start, unmasked = data.arm(START), data.arm(UNMASKED)
    return [
        _external(data),
        _gain(data),
        _against(data, "The paper: robust to missing sequences, more than supervised training", _supervised(data),
                 one_missing, paper=True),
        _against(data, "The paper: patients without a label help", _without_unlabelled(data), whole, paper=True),
        _best(data, rows),
        _against(data, f"{main} improves on the network it starts from", [start] if start else [], whole),
        _against(data, "Full-modality masking helps when one sequence is missing", [unmasked] if unmasked else [],
                 one_missing),
    ]  # fmt: skip


def _supervised(data: StudyFiles) -> list[Arm]:
    return [arm for arm in data.shown("baseline") if arm.experiment.method.startswith(SUPERVISED)]


def _without_unlabelled(data: StudyFiles) -> list[Arm]:
    found = [arm for arm in map(data.arm, WITHOUT_UNLABELLED) if arm]
    return ([arm for arm in found if arm.done] or found)[:1]


def _external(data: StudyFiles) -> Claim:
    title = f"The paper: an external MCC of {score(PUBLISHED_MCC)} or more"
    mcc = arm_mcc(whole(data.reference), data.replicates) if data.reference else None
    if mcc is None or data.reference is None:
        return Claim(title, "not testable", _unrun(data, [data.reference]), paper=True)
    said = f"{data.reference.title} has {with_span(mcc)}{_over_seeds(mcc)} on {count(mcc.n)} patients"
    if data.phantom:
        said += "; an MCC on phantoms says nothing about an MCC on people"
        return Claim(title, "not testable", f"{said}.", paper=True)
    return Claim(title, "supported" if mcc.value >= PUBLISHED_MCC else "not supported", f"{said}.", paper=True)


def _gain(data: StudyFiles) -> Claim:
    """Compare with the supervised arm that validation would choose."""
    title = f"The paper: {PUBLISHED_GAIN:.1%} more MCC than the best supervised training".replace("%", "\u00a0%")
    reference, others = data.reference, _supervised(data)
    tested = [arm for arm in others if whole(arm)]
    if reference is None or not whole(reference) or not tested:
        return Claim(title, "not testable", _unrun(data, [reference, *others]), paper=True)
    rival = max(tested, key=lambda arm: _validation(data, arm))
    ours, theirs = (arm_mcc(whole(arm), data.replicates) for arm in (reference, rival))
    gap = paired_difference(whole(reference), whole(rival), data.replicates)
    if gap is None or ours is None or theirs is None:
        return Claim(title, "not testable", "The external test has patients of fewer than two classes.", paper=True)
    relative = gap.value / theirs.value if theirs.value > 0 else float("inf")
    kept = _sure(gap)[0] > 0 and relative >= PUBLISHED_GAIN
    share = f"{relative:+.1%}".replace("%", "\u00a0%").replace("-", "−") if theirs.value > 0 else "from nothing"
    sentence = f"{share}: MCC {with_span(ours)} for {reference.title} against {with_span(theirs)} for {rival.title}, "
    sentence += f"the best supervised arm on validation (difference {_said(gap)}); n = {count(gap.n)}."
    missing = [arm for arm in others if arm not in tested]
    sentence += f" {_unrun(data, missing)}" if missing else ""
    return Claim(title, "supported" if kept else "not supported", sentence, paper=True)


def _validation(data: StudyFiles, arm: Arm) -> float:
    mcc = arm_mcc([[answers] for answers in arm.answers("val")], data.replicates)
    return mcc.value if mcc else -1.0


def _best(data: StudyFiles, rows: list[MainRow]) -> Claim:
    title = "The best arm on the external test"
    ranked = sorted(((row.mcc.value, row) for row in rows if row.mcc), key=lambda pair: -pair[0])
    if not ranked:
        return Claim(title, "not testable", f"No arm has been tested yet; run `{data.arms[0].command}`.")
    best = ranked[0][1]
    first = data.named(best.arm)
    bound = ceiling(data)
    limit = f"; the sign oracle, the ceiling, has {_bound(bound)}" if bound else ""
    sentence = (
        f"{first.title} has the highest MCC, {with_span(best.mcc)} (n = {count(best.mcc.n if best.mcc else 0)}){limit}."
    )
    if len(ranked) > 1:
        second = data.named(ranked[1][1].arm)
        gap = paired_difference(whole(first), whole(second), data.replicates)
        sentence += f" Its lead over the next, {second.title}, is {_said(gap)}."
    missing = [data.named(row.arm).title for row in rows if row.mcc is None]
    if missing:
        sentence += f" Not run: {listing(missing)}."
    return Claim(title, "finding", sentence)


def _against(data: StudyFiles, title: str, others: Sequence[Arm], answering: Answering, paper: bool = False) -> Claim:
    """Compare the reference arm with others: supported only if it is better than each, beyond patients and seeds."""
    reference = data.reference
    if reference is None or not others:
        return Claim(title, "not testable", "The study has no arm to compare with.", paper)
    missing = [arm for arm in (reference, *others) if not answering(arm)]
    tested = [arm for arm in others if arm not in missing]
    if reference in missing or not tested:
        return Claim(title, "not testable", _unrun(data, missing), paper)
    ours = arm_mcc(answering(reference), data.replicates)
    parts, gaps = [], []
    for arm in tested:
        theirs = arm_mcc(answering(arm), data.replicates)
        gap = paired_difference(answering(reference), answering(arm), data.replicates)
        if gap is None:
            return Claim(title, "not testable", "The external test has patients of fewer than two classes.", paper)
        gaps.append(gap)
        parts.append(f"{with_span(theirs)} for {arm.title} (difference {_said(gap)})")
    over = " on average over the four cases" if answering is one_missing else ""
    sentence = f"MCC {with_span(ours)} for {reference.title} against {listing(parts)}{over}; n = {count(gaps[0].n)}."
    if any(_sure(gap)[1] < 0 for gap in gaps):
        sentence += " The opposite holds."
    sentence += f" {_unrun(data, missing)}" if missing else ""
    return Claim(title, "supported" if all(_sure(gap)[0] > 0 for gap in gaps) else "not supported", sentence, paper)


def _unrun(data: StudyFiles, arms: Sequence[Arm | None]) -> str:
    """Return which of the arms have no predictions, with the commands that make them."""
    missing = [f"{arm.title} (`{arm.command}`)" for arm in arms if arm and not arm.done]
    if missing:
        return f"Not run: {listing(missing)}."
    return "The study has no arm to compare with, or too few classes to test on."


def _sure(gap: Difference) -> tuple[float, float]:
    """Return the interval that a claim about the method faces: over patients and seeds, where there are several."""
    if gap.total_low is None or gap.total_high is None:
        return gap.low, gap.high
    return gap.total_low, gap.total_high


def _over_seeds(estimate: Estimate) -> str:
    if estimate.total_low is None or estimate.total_high is None:
        return ""
    return f", over patients and seeds {span(estimate.total_low, estimate.total_high)},"


def _said(gap: Difference | None) -> str:
    if gap is None:
        return "unknown"
    total = ""
    if gap.total_low is not None and gap.total_high is not None:
        total = f", over patients and seeds {span(gap.total_low, gap.total_high, signed=True)}"
    return f"{with_span(gap, signed=True)}{total}, p\u00a0{equals(gap.p)}"


def _bound(bound: dict[str, float]) -> str:
    value = bound["mcc"]
    return f"{score(value)}\u00a0{span(bound.get('low', value), bound.get('high', value))}"
