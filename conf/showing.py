"""`--cfg job`: the configuration that a command line makes, as hydra's own programs print it."""

from collections.abc import Sequence
from typing import Any

import yaml

from conf.masking import masked

FLAG = ("--cfg", "job")


def asked_to_show(arguments: Sequence[str]) -> list[str] | None:
    """The arguments without `--cfg job`, wherever it stands; None where it does not.

    >>> asked_to_show(["home=/data", "--cfg", "job", "port=1"])
    ['home=/data', 'port=1']
    """
    for at in range(len(arguments) - 1):
        if tuple(arguments[at : at + 2]) == FLAG:
            return [*arguments[:at], *arguments[at + 2 :]]
    return None


def as_yaml(config: Any) -> str:
    """A configuration dataclass as YAML, every secret masked."""
    return yaml.safe_dump(masked(config), sort_keys=False, allow_unicode=True, width=120).rstrip("\n")
