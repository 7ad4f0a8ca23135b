"""Runs that are not what the study asks for any more: its file was changed, and they were not made again yet."""

from typing import Any

from mmdino.reporting.text import listing

SHOWN = 3  # settings that are named; more would drown the rest


def stale(record: dict[str, Any], predicted: str | None, resolved: dict[str, Any]) -> str:
    """Return why a run's answers are not those of the study as it is now, or "".

    Args:
        record: ``run.json``, or empty where there is none, of which then nothing can be said.
        predicted: the ``content_key`` of the training whose weights were asked; None in predictions from before it was kept.
        resolved: ``LoadedStudy.resolved``.
    """
    changed = _changed(record.get("settings", {}), resolved["settings"])
    changed += [name for name in ("data_seen", "leak") if record and record.get(name) != resolved.get(name)]
    if changed:
        more = [f"{len(changed) - SHOWN} more"] if len(changed) > SHOWN else []
        return f"made with another {listing([*changed[:SHOWN], *more])} than the study's now; the same command makes it anew"
    if predicted and predicted != record.get("content_key"):
        return "trained again since it was predicted; the same command predicts it anew"
    return ""


def _changed(made: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """Return the settings that differ, with both values; one that either side does not know is of another version."""
    return [f"{name} ({made[name]}, not {asked[name]})" for name in made if name in asked and made[name] != asked[name]]
