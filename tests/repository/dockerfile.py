"""The Dockerfile as steps, to be tried on a machine without an engine."""

import re
from dataclasses import dataclass

from tests.repository.paths import ROOT


@dataclass(frozen=True)
class Step:
    """One instruction: FROM, ARG, ENV, COPY, RUN, LABEL, …, and what stands behind it on one line."""

    instruction: str
    text: str


def steps() -> list[Step]:
    """Every instruction in order, comments and line ends taken out."""
    text = re.sub(r"^#.*\n", "", (ROOT / "k8s/Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [Step(*re.split(r"\s+", line, maxsplit=1)) for line in lines if line.strip()]


def stage(name: str) -> list[Step]:
    """The steps of one stage, which ends at the next FROM."""
    found: list[Step] = []
    inside = False
    for step in steps():
        if step.instruction == "FROM":
            inside = step.text.endswith(f" AS {name}")
        elif inside:
            found.append(step)
    return found


def assignments(found: list[Step], *instructions: str) -> dict[str, str]:
    """The variables that ARG, ENV or LABEL set, unquoted."""
    text = " ".join(step.text for step in found if step.instruction in instructions)
    return {key: value.strip('"') for key, value in re.findall(r'([\w.]+)=("[^"]*"|\S+)', text)}
