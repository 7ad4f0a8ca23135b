"""The claim check: each claim of the paper's abstract, and our own questions, with figures, whichever arm wins.

A claim is about methods: it is answered where every arm of it has all its seeds, and faces the interval over patients and
seeds. An arm that was not run, or lacks a seed, can leave a claim open; it cannot make one easier to support.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from mmdino.evaluation.compare import Difference, Estimate, Run, arm_mcc, paired_difference
from mmdino.reporting.data import Arm, StudyFiles
from mmdino.reporting.estimates import MainRow, ceiling, one_missing, whole
from mmdino.reporting.same import copies
from mmdino.reporting.text import count, equals, listing, score, span, with_span

Verdict = Literal["supported", "not supported", "not testable", "finding"]
FROZEN, UNMASKED = "frozen-vit", "mm-dinov2-no-full-modality-masking"
WITHOUT_UNLABELLED = ("mm-dinov2-no-unlabelled", "unlabelled-fraction-0")  # the first that was run
SUPERVISED = ("supervised-", "nnunet-")
PUBLISHED_MCC, PUBLISHED_GAIN = 0.6, 0.111  # the abstract's (config/published.yaml)
NOBODY = "The study has no arm to compare with."
TOO_FEW = "The external test has patients of fewer than two classes."
Answering = Callable[[Arm], list[Run]]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper's abstract (``paper``), or a question of ours, with what the study says to it."""

    title: str
    verdict: Verdict
    sentence: str
    paper: bool = False


def claims(data: StudyFiles, rows: list[MainRow]) -> list[Claim]:
    """Return the paper's claims, then our questions; ``rows``: the main comparison and the baselines."""
    main = data.reference.title if data.reference else data.study.study.reference
    unmasked = data.arm(UNMASKED)
    return [
        _external(data),
        _gain(data),
        _against(data, "The paper: robust to missing sequences, more than supervised training",
                 _supervised(data, one_missing), one_missing, paper=True),
        _against(data, "The paper: patients without a label help", _without_unlabelled(data), whole, paper=True),
        _best(data, rows),
        _against(data, f"{main} improves on the network it starts from", _start(data), whole),
        _against(data, "Full-modality masking helps when one sequence is missing", [unmasked] if unmasked else [],
                 one_missing),
    ]  # fmt: skip


def _supervised(data: StudyFiles, answering: Answering) -> list[Arm]:
    """Return the supervised baselines, of those with the same answers one."""
    arms = [arm for arm in data.shown("baseline") if arm.experiment.method.startswith(SUPERVISED)]
    others = [arm for arm in arms if arm is not data.reference and not arm.elsewhere]
    same = copies(others, answering)
    return [arm for arm in others if arm.name not in same]


def _without_unlabelled(data: StudyFiles) -> list[Arm]:
    return _first_run([arm for arm in map(data.arm, WITHOUT_UNLABELLED) if arm])


def _start(data: StudyFiles) -> list[Arm]:
    """Return the frozen baseline with the weights from which the reference arm starts."""
    reference = data.reference
    backbone = _backbone(data, reference) if reference else None
    if reference is None or backbone is None:
        return []
    frozen = [arm for arm in data.arms if arm.experiment.method == FROZEN and arm.experiment.group != "ablation"]
    seen = [arm for arm in frozen if arm is not reference and arm.experiment.data == reference.experiment.data]
    return _first_run([arm for arm in seen if _backbone(data, arm) == backbone])


def _backbone(data: StudyFiles, arm: Arm) -> str | None:
    return getattr(data.study.settings(arm.name), "backbone", None)


def _first_run(arms: Sequence[Arm]) -> list[Arm]:
    return ([arm for arm in arms if arm.done] or list(arms))[:1]


def _external(data: StudyFiles) -> Claim:
    title = f"The paper: an external MCC of {score(PUBLISHED_MCC)} or more"
    reference = data.reference
    if reference is None:
        return Claim(title, "not testable", NOBODY, paper=True)
    mcc = arm_mcc(whole(reference), data.replicates)
    if mcc is None or _lack(reference, whole):
        return Claim(title, "not testable", _lacking([reference], whole) or TOO_FEW, paper=True)
    said = f"{reference.title} has {with_span(mcc)}{_over_seeds(mcc)} on {count(mcc.n)} patients{_single([reference])}"
    if data.phantom:
        said += "; an MCC on phantoms says nothing about an MCC on people"
        return Claim(title, "not testable", f"{said}.", paper=True)
    low, high = _sure(mcc)
    return Claim(title, _verdict(low >= PUBLISHED_MCC), f"{said}.{_facing(low, high, PUBLISHED_MCC)}", paper=True)


def _facing(low: float, high: float, figure: float, called: str = "") -> str:
    """Return how an interval that does not reach a published figure (``called``: as it is written) lies to it."""
    if low >= figure:
        return ""
    said = "All of the interval lies below" if high < figure else "The interval reaches below and above"
    return f" {said} {called or score(figure)}."


def _gain(data: StudyFiles) -> Claim:
    """Compare with the supervised arm that validation would choose."""
    title = f"The paper: {_percent(PUBLISHED_GAIN)} more MCC than the best supervised training"
    reference, others = data.reference, _supervised(data, whole)
    if reference is None or not others:
        return Claim(title, "not testable", NOBODY, paper=True)
    tested, lacking = _complete(others, whole), _lacking([reference, *others], whole)
    if _lack(reference, whole) or not tested:
        return Claim(title, "not testable", lacking, paper=True)
    rival = max(tested, key=lambda arm: _validation(data, arm))
    ours, theirs = (arm_mcc(whole(arm), data.replicates) for arm in (reference, rival))
    gap = paired_difference(whole(reference), whole(rival), data.replicates)
    if gap is None or ours is None or theirs is None:
        return Claim(title, "not testable", TOO_FEW, paper=True)
    low, high = _sure(gap)
    asked = PUBLISHED_GAIN * max(theirs.value, 0)
    sentence = f"{_share(gap, theirs)}: MCC {with_span(ours)} for {reference.title} against {with_span(theirs)} for "
    sentence += f"{rival.title}, the best supervised arm on validation (difference {_said(gap)}); "
    sentence += f"n = {count(gap.n)}{_single([reference, rival])}.{_facing(low, high, asked, _percent(PUBLISHED_GAIN))}"
    verdict = _verdict(low >= asked and low > 0, bool(lacking))
    return Claim(title, verdict, f"{sentence} {lacking}".rstrip(), paper=True)


def _share(gap: Difference, theirs: Estimate) -> str:
    """Return a difference, with the interval that it faces, as a share of the other arm's MCC, which is taken as it is."""
    if theirs.value <= 0:
        return "From nothing"
    value, low, high = (_percent(end / theirs.value, signed=True) for end in (gap.value, *_sure(gap)))
    return f"{value}\u00a0[{low},\u00a0{high}]"


def _percent(share: float, signed: bool = False) -> str:
    return f"{share:{'+' if signed else ''}.1%}".replace("%", "\u00a0%").replace("-", "−")


def _validation(data: StudyFiles, arm: Arm) -> float:
    mcc = arm_mcc([[answers] for answers in arm.answers("val")], data.replicates)
    return mcc.value if mcc else -1.0


def _best(data: StudyFiles, rows: list[MainRow]) -> Claim:
    """Name the arm of the highest MCC among the rows, its lead, and any ablation above it."""
    title = "The best arm on the external test"
    known = {row.arm for row in rows}
    apart = [row for row in rows if row.same_as not in known and not data.named(row.arm).elsewhere]
    ranked = sorted(((row.mcc, data.named(row.arm)) for row in apart if row.mcc), key=lambda pair: -pair[0].value)
    silent = [f"{arm.title} ({arm.lack})" for arm in (data.named(row.arm) for row in rows if row.mcc is None)]
    if not any(arm.done for arm in data.arms):
        return Claim(title, "not testable", f"No arm has been tested yet; run `{data.arms[0].command}`.")
    if not ranked:
        why = f": {listing(silent)}" if silent else ""
        return Claim(title, "not testable", f"No arm of the main comparison and the baselines has an MCC{why}.")
    mcc, first = ranked[0]
    bound = ceiling(data)
    sentence = f"{first.label} has the highest MCC of the main comparison and the baselines, {with_span(mcc)} "
    sentence += f"(n = {count(mcc.n)})" + (f"; the sign oracle, the ceiling, has {_bound(bound)}." if bound else ".")
    if len(ranked) > 1:
        second = ranked[1][1]
        gap = paired_difference(whole(first), whole(second), data.replicates)
        sentence += f" Its lead over the next, {second.label}, is {_said(gap)}."
    sentence += _higher(data, mcc.value)
    if silent:
        sentence += f" Without an MCC: {listing(silent)}."
    return Claim(title, "finding", sentence)


def _higher(data: StudyFiles, value: float) -> str:
    """Return which ablation has the highest MCC, where one has more than ``value``."""
    arms = [arm for arm in data.shown("ablation") if not arm.elsewhere]
    apart = [arm for arm in arms if arm.name not in copies(arms, whole)]
    measured = [(mcc, arm) for arm in apart if (mcc := arm_mcc(whole(arm), data.replicates)) and mcc.value > value]
    if not measured:
        return ""
    mcc, arm = max(measured, key=lambda pair: pair[0].value)
    said = "One ablation has more" if len(measured) == 1 else f"{count(len(measured))} ablations have more, the most"
    return f" {said}: {arm.label}, {with_span(mcc)}."


def _against(data: StudyFiles, title: str, others: Sequence[Arm], answering: Answering, paper: bool = False) -> Claim:
    """Compare the reference arm with others: supported only if it is better than each, beyond patients and seeds."""
    reference = data.reference
    others = [arm for arm in others if arm is not reference]
    if reference is None or not others:
        return Claim(title, "not testable", NOBODY, paper)
    tested, lacking = _complete(others, answering), _lacking([reference, *others], answering)
    if _lack(reference, answering) or not tested:
        return Claim(title, "not testable", lacking, paper)
    ours = arm_mcc(answering(reference), data.replicates)
    parts, gaps = [], []
    for arm in tested:
        theirs = arm_mcc(answering(arm), data.replicates)
        gap = paired_difference(answering(reference), answering(arm), data.replicates)
        if gap is None:
            return Claim(title, "not testable", TOO_FEW, paper)
        gaps.append(gap)
        parts.append(f"{with_span(theirs)} for {arm.title} (difference {_said(gap)})")
    over = " on average over the four cases" if answering is one_missing else ""
    sentence = f"MCC {with_span(ours)} for {reference.title} against {listing(parts)}{over}; n = {count(gaps[0].n)}"
    sentence += f"{_single([reference, *tested])}."
    if any(_sure(gap)[1] < 0 for gap in gaps):
        sentence += " The opposite holds."
    verdict = _verdict(all(_sure(gap)[0] > 0 for gap in gaps), bool(lacking))
    return Claim(title, verdict, f"{sentence} {lacking}".rstrip(), paper)


def _verdict(shown: bool, lacking: bool = False) -> Verdict:
    """Return what is said to a claim: an arm that is lacking might refute it, and cannot save it."""
    if not shown:
        return "not supported"
    return "not testable" if lacking else "supported"


def _complete(arms: Sequence[Arm], answering: Answering) -> list[Arm]:
    return [arm for arm in arms if not _lack(arm, answering)]


def _lacking(arms: Sequence[Arm], answering: Answering) -> str:
    """Return which of the arms a claim cannot count on, why, and the commands that run them; "" where it can on all."""
    found: dict[str, list[str]] = {}
    for arm in arms:
        if why := _lack(arm, answering):
            found.setdefault(why, []).append(f"{arm.title} (`{arm.command}`)")
    return " ".join(f"{why}: {listing(names)}." for why, names in found.items())


def _lack(arm: Arm, answering: Answering) -> str:
    """Return, to stand before a list of arms, why an arm has not answered with every seed; "" where it has."""
    if not arm.done:
        return arm.lack.capitalize()
    if seeds := [str(run.seed) for run in arm.runs if not run.answers]:
        return f"Without seed{'s' * (len(seeds) > 1)} {listing(seeds)}"
    if len(answering(arm)) == len(arm.runs):
        return ""
    asked = " with a sequence missing, under `transfer`" if answering is one_missing else ""
    return f"Without answers by read-out {arm.experiment.readout}{asked}"


def _single(arms: Sequence[Arm]) -> str:
    """Return which of the arms have one seed by design, so that the interval is over patients alone."""
    single = [arm.title for arm in arms if len(arm.runs) == 1]
    if not single:
        return ""
    return "; one seed" if len(single) == len(arms) else f"; one seed of {listing(single)}"


def _sure(estimate: Estimate) -> tuple[float, float]:
    """Return the interval that a claim about a method faces: over patients and seeds, where several are planned."""
    if estimate.total_low is None or estimate.total_high is None:
        return estimate.low, estimate.high
    return estimate.total_low, estimate.total_high


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
