"""Strict reading of YAML: a key that stands twice is refused, and an unknown one with the nearest right one."""

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from mmdino.errors import UserError, nearest, one_line


class Strict(BaseModel):
    """A frozen model that forbids unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


Model = TypeVar("Model", bound=BaseModel)
SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, three times as fast, where PyYAML has it
MERGE = "tag:yaml.org,2002:merge"  # `<<`


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        UserError: the file is missing, cannot be read, is no YAML, has a key twice, or holds something else than a mapping.
    """
    try:
        value = _load(Path(path).read_text(encoding="utf-8"), path)
    except FileNotFoundError:
        folder = Path(path).parent
        known = [found.stem for found in folder.glob("*.yaml")]
        hint = nearest(Path(path).stem, known) if known else ""
        raise UserError(f"{path}: there is no such file{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a text file ({error}); name a YAML file") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: is not valid YAML: {one_line(error)}; mend that line") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: must hold 'key: value' lines, but holds a {type(value).__name__}")
    return value


def _load(text: str, path: Path | str) -> Any:
    loader = SAFE(text)
    node = loader.get_single_node()
    if node is None:
        return None
    _require_each_once(node, path, set())
    return loader.construct_document(node)


def _require_each_once(node: yaml.Node, path: Path | str, seen: set[int]) -> None:
    """Refuse a mapping that has a key twice: PyYAML takes the last one. What ``<<`` brings may be written over."""
    if isinstance(node, yaml.ScalarNode) or id(node) in seen:
        return
    seen.add(id(node))  # anchors may lead back
    inner = node.value
    if isinstance(node, yaml.MappingNode):
        inner = [value for _, value in node.value]
        lines: dict[tuple[str, str], int] = {}
        for key in (key for key, _ in node.value if key.tag != MERGE):
            line = key.start_mark.line + 1
            first = lines.get((key.tag, str(key.value)))
            if first is not None:
                raise UserError(f"{path}, line {line}: '{key.value}' stands twice, in line {first} already; keep one")
            lines[key.tag, str(key.value)] = line
    for value in inner:
        _require_each_once(value, path, seen)


def parse(model: type[Model], value: Any, where: Path | str) -> Model:
    """Validate ``value`` as ``model``.

    Raises:
        UserError: a key is unknown, missing or has a wrong value; ``where`` and the key's full name are in the message.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise UserError("\n".join(f"{where}: {_say(model, detail)}" for detail in error.errors())) from None


def _say(model: type[BaseModel], detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"unknown key '{place}'{nearest(str(detail['loc'][-1]), _siblings(model, detail['loc'][:-1]))}"
    if detail["type"] == "missing":
        return f"the key '{place}' is missing; add it"
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        hint = nearest(detail["input"], re.findall(r"'([^']*)'", detail["ctx"]["expected"]))
        detail = {**detail, "msg": detail["msg"] + (hint if "did you mean" in hint else "")}
    message = detail["msg"].removeprefix("Value error, ")
    return f"'{place}' is {detail['input']!r}: {message}" if place else message


def _siblings(model: Any, loc: tuple[Any, ...]) -> list[str]:
    """Return the field names of the (nested) model at ``loc``."""
    for part in loc:
        field = model.model_fields.get(part) if _is_model(model) else None
        if field is not None:
            model = _inner(field.annotation)
    return list(model.model_fields) if _is_model(model) else []


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _inner(annotation: Any) -> Any:
    """Return the model inside ``Optional[Model]``, ``dict[str, Model]`` or ``list[Model]``, else the annotation."""
    for part in (annotation, *getattr(annotation, "__args__", ())):
        if _is_model(part):
            return part
    return annotation
