"""From plain values to a typed dataclass.

A value from a YAML file must have the type of its field. A text from the command line is read as that type:
verbatim where the field is a string, as YAML where it is a list or a mapping.
"""

from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from ingest.errors import ConfigurationError

MISSING = "???"  # in a YAML file: the user must say
TRUE = ("true", "yes", "on")
FALSE = ("false", "no", "off")


class Typed(str):
    """A text typed on the command line, as opposed to a string from a file."""


def build(schema: type[Any], values: dict[str, Any], prefix: str = "") -> Any:
    """An instance of a dataclass from nested values. Raises ConfigurationError naming the option."""
    hints = get_type_hints(schema)
    known = {field.name for field in fields(schema)}
    for name in values:
        if name not in known:
            raise ConfigurationError(f"unknown option {prefix}{name}")
    arguments = {name: convert(value, hints[name], f"{prefix}{name}") for name, value in values.items()}
    try:
        return schema(**arguments)
    except TypeError as error:  # a field without a value
        raise ConfigurationError(f"{prefix.rstrip('.') or schema.__name__}: {error}") from None


def convert(value: Any, hint: Any, name: str) -> Any:
    """The value as the type of the field, or ConfigurationError."""
    if isinstance(value, str) and not isinstance(value, Typed) and value == MISSING:
        raise ConfigurationError(f"{name} is not given: say {name}=…")
    if get_origin(hint) in (Union, UnionType):
        return _optional(value, hint, name)
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise ConfigurationError(f"{name} is a group of options, not {_shown(value)}")
        return build(hint, value, f"{name}.")
    if get_origin(hint) is Literal:
        return _choice(value, get_args(hint), name)
    if get_origin(hint) is list:
        return _list(value, get_args(hint)[0], name)
    if get_origin(hint) is dict or hint is dict:
        return as_mapping(value, name)
    return _scalar(value, hint, name)


def _optional(value: Any, hint: Any, name: str) -> Any:
    if value is None or (isinstance(value, Typed) and value == "null"):
        return None
    (inner,) = (option for option in get_args(hint) if option is not NoneType)
    return convert(value, inner, name)


def _choice(value: Any, choices: tuple[Any, ...], name: str) -> Any:
    if value not in choices:
        raise ConfigurationError(f"{name} must be one of {', '.join(map(str, choices))}, not {_shown(value)}")
    return str(value)


def _list(value: Any, item: Any, name: str) -> list[Any]:
    found = _yaml(value, name) if isinstance(value, Typed) else value
    if not isinstance(found, list):
        raise ConfigurationError(f"{name} must be a list like [a, b], not {_shown(value)}")
    return [convert(entry, item, name) for entry in found]


def as_mapping(value: Any, name: str) -> dict[str, Any]:
    """An open mapping, its texts read as YAML."""
    found = _yaml(value, name) if isinstance(value, Typed) else value
    if not isinstance(found, dict):
        raise ConfigurationError(f"{name} must be a mapping like {{a: 1}}, not {_shown(value)}")
    return {str(key): _yaml(v, name) if isinstance(v, Typed) else v for key, v in found.items()}


def _scalar(value: Any, hint: Any, name: str) -> Any:
    if hint is str and isinstance(value, str):
        return str(value)
    if hint is bool:
        return _bool(value, name)
    if hint in (int, float) and isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return hint(value) if hint is float or not isinstance(value, float) else _whole(value)
        except ValueError:
            pass
    kind = {int: "a whole number", float: "a number", str: "a text"}.get(hint, str(hint))
    raise ConfigurationError(f"{name} must be {kind}, not {_shown(value)}")


def _whole(value: float) -> int:
    if not value.is_integer():
        raise ValueError
    return int(value)


def _bool(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, Typed) and value.lower() in TRUE + FALSE:
        return value.lower() in TRUE
    raise ConfigurationError(f"{name} must be true or false, not {_shown(value)}")


def _yaml(text: str, name: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigurationError(f"{name}: {_shown(text)} cannot be read as YAML") from None


def _shown(value: Any) -> str:
    """A value in an error: quoted, on one line, never endless."""
    shown = repr(str(value)) if isinstance(value, str) else repr(value)
    return shown if len(shown) <= 80 else shown[:79] + "…"
