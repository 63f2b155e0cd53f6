"""`key=value` arguments and YAML groups, composed into a dataclass."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

import yaml

from conf.masking import masked
from conf.typed import MISSING, Typed, as_mapping, build
from ingest.errors import ConfigurationError

T = TypeVar("T")
SHIPPED = Path(__file__).resolve().parent
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")


def compose(name: str, overrides: Sequence[str], schema: type[T]) -> T:
    """The configuration `name` with `key=value` overrides, as an instance of the schema.

    `group=choice` picks a file of a group; any other value is taken literally, whatever characters it holds,
    and the last one of a key wins. Every error is a ConfigurationError with one readable line.
    """
    groups = group_choices(name)
    choices: dict[str, str] = {}
    values: dict[str, Typed] = {}
    for override in overrides:
        key, value = split_override(override)
        if key in groups:
            choices[key] = _known_choice(key, value, groups[key])
        else:
            values[key] = Typed(value)
    tree = merged_files(name, choices)
    options = dict(option_hints(schema))
    for key, text in values.items():
        if not _place(tree, options, key, text):
            raise ConfigurationError(_unknown(key, {*options, *groups}))
    config: T = build(schema, tree)
    return config


def split_override(override: str) -> tuple[str, str]:
    """The two sides of the first `=`.

    >>> split_override("catalog.path=/music/a=b, [c]")
    ('catalog.path', '/music/a=b, [c]')
    """
    key, equals, value = override.partition("=")
    if not equals or not _KEY.fullmatch(key):
        raise ConfigurationError(f"cannot read {key!r}: arguments are key=value, see --help")
    return key, value


def folder() -> Path:
    """Where the YAML files lie: the folder that REFRAIN_CONF names, or else the one of this module."""
    return Path(os.environ.get("REFRAIN_CONF") or SHIPPED)


def group_choices(name: str) -> dict[str, list[str]]:
    """The groups that a configuration is composed of, each with its choices."""
    try:
        text = (folder() / f"{name}.yaml").read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"REFRAIN_CONF={folder()} has no readable {name}.yaml: {error.strerror}") from error
    defaults = yaml.safe_load(text).get("defaults", [])
    groups = [group for entry in defaults if isinstance(entry, dict) for group in entry]
    return {group: sorted(file.stem for file in (folder() / group).glob("*.yaml")) for group in groups}


def merged_files(name: str, choices: dict[str, str]) -> dict[str, Any]:
    """What the YAML files say, composed by hydra; `${oc.env:…}` in them is resolved."""
    from hydra import compose as hydra_compose  # here, because modules without hydra mask secrets with conf
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(folder().absolute()), version_base="1.3"):
        composed = hydra_compose(name, [f"{group}={choice}" for group, choice in choices.items()])
    tree: dict[str, Any] = OmegaConf.to_container(composed, resolve=True)  # type: ignore[assignment]
    return tree


def option_hints(schema: type[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every option of a dataclass, dotted, with its type."""
    hints = get_type_hints(schema)
    for field in fields(schema):
        hint = hints[field.name]
        if is_dataclass(hint) and isinstance(hint, type):
            yield from option_hints(hint, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", hint


def describe(name: str) -> str:
    """The groups and options of a configuration with their defaults, for --help."""
    groups = group_choices(name)
    tree = masked(merged_files(name, {}))
    lines = [f"  {group}={'|'.join(choices)}" for group, choices in groups.items() if len(choices) > 1]
    return "\n".join(["Groups:", *lines, "", "Options and defaults:", *_lines(tree)])


def _lines(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _lines(value, f"{prefix}{key}.")
        elif value != MISSING and key != "kind":
            yield f"  {prefix}{key}={_default(value)}"


def _default(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False).strip('"')
    return shown if len(shown) <= 60 else f"{shown[:57]}…"


def _known_choice(group: str, choice: str, choices: list[str]) -> str:
    if choice not in choices:
        raise ConfigurationError(f"{group} must be one of {', '.join(choices)}, not {choice!r}")
    return choice


def _place(tree: dict[str, Any], options: dict[str, Any], key: str, text: Typed) -> bool:
    """Put a text at a dotted key; False where there is neither an option nor an open mapping of that name."""
    mapping, _, entry = key.rpartition(".")
    inside = get_origin(options.get(mapping)) is dict
    if key not in options and not inside:
        return False
    *parents, last = mapping.split(".") if inside else key.split(".")
    node = tree
    for parent in parents:
        node = node.setdefault(parent, {})
    if inside:
        node[last] = {**as_mapping(node.get(last, {}), mapping), entry: text}
    else:
        node[last] = text
    return True


def _unknown(key: str, known: set[str]) -> str:
    tails = {name.rpartition(".")[2]: name for name in known}
    near = get_close_matches(key, known, 1, 0.6) or [
        tails[tail] for tail in get_close_matches(key.rpartition(".")[2], tails, 1, 0.7)
    ]
    return f"unknown option {key!r}" + (f": did you mean {near[0]!r}?" if near else ", see --help")
