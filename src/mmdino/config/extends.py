"""A study that differs little from another says so: ``extends: phantom.yaml``, and what differs."""

from pathlib import Path
from typing import Any

from mmdino.config.strict import read_yaml
from mmdino.errors import UserError

# Results lie below the name: two studies of one would overwrite each other's. What a search found, it found in its study.
OWN = ("name", "title", "remarks", "tuned")
RECIPE = "recipe"  # of a method's settings: the experiment that says the rest of them


def read_extended(path: Path, extended_by: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the keys of a study's YAML, with those of the study beside it that it extends where it says nothing.

    A key that is there replaces the other study's whole; only ``methods`` are merged, setting by setting. Where the other
    study names the experiment whose settings a method has, that becomes the method's ``recipe``. What makes the other
    study itself (``OWN``) is never taken over.

    Raises:
        UserError: as :func:`read_yaml`; ``extends`` is no file's name, or comes back to the same file.
    """
    if path in extended_by:
        raise UserError(f"{extended_by[0]}: 'extends' comes back to {path}; take it out of one of them")
    own = read_yaml(path)
    name = own.pop("extends", None)
    if name is None:
        return own
    if not isinstance(name, str) or Path(name).name != name:
        raise UserError(
            f"{path}: 'extends' is {name!r}; give the name of a study beside it, as in: extends: phantom.yaml"
        )
    theirs = read_extended(path.parent / name, (*extended_by, path))
    base = {key: value for key, value in theirs.items() if key not in OWN}
    merged = base | own
    if isinstance(base.get("methods"), dict) and isinstance(own.get("methods"), dict):
        merged["methods"] = {
            key: _merged(base["methods"], own["methods"], key) for key in merged["methods"] | base["methods"]
        }
    return merged


def _merged(base: dict[str, Any], own: dict[str, Any], method: str) -> Any:
    """Return a method's settings; something else than settings is left for the study's own check to refuse."""
    if method not in own:
        return base[method]
    theirs, ours = base.get(method, {}), own[method]
    if isinstance(theirs, str):
        theirs = {RECIPE: theirs}
    return theirs | ours if isinstance(theirs, dict) and isinstance(ours, dict) else ours
