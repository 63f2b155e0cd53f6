"""The shape of the repository: a closed top level, and a README whose tree is the tree."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.repository.paths import ROOT, tracked_files

TOP_LEVEL = {
    "conf", "ingest", "serve", "tests", "k8s", "scripts", "docs", ".ci",
    "README.md", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "requirements.lock",
    ".gitignore",
}  # fmt: skip
TOLD_FILE_BY_FILE = {"conf", "ingest", "serve", "scripts", "k8s"}
TOLD_AS_A_WHOLE = set(map(PurePosixPath, ("ingest/fingerprint/weights", "ingest/stores/migrations", "serve/web")))
UNTOLD = {"__init__.py", "py.typed"}
ENTRY = re.compile(r"^(?P<indent> *)(?P<name>[^\s]+)(?: {2,}\S.*)?$")


def told_paths() -> Iterator[tuple[PurePosixPath, bool]]:
    """Each path of the README's tree with whether it is a folder; children are indented by two below their folder."""
    block = re.search(r"```tree\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert block, "README.md has no ```tree block"
    folders: list[str] = []
    for line in filter(str.strip, block[1].splitlines()):
        entry = ENTRY.match(line)
        assert entry, f"a line of the tree that cannot be read: {line!r}"
        depth, odd = divmod(len(entry["indent"]), 2)
        assert not odd and depth <= len(folders), f"indented under no folder: {line!r}"
        name, is_folder = entry["name"].rstrip("/"), entry["name"].endswith("/")
        folders[depth:] = [name] if is_folder else []
        yield from ((PurePosixPath(*folders[:depth], each), is_folder) for each in expanded(name))


def expanded(name: str) -> list[str]:
    """`{a,b}.yaml` → `a.yaml`, `b.yaml`."""
    braces = re.search(r"\{(.+)\}", name)
    if braces is None:
        return [name]
    return [name[: braces.start()] + each + name[braces.end() :] for each in braces[1].split(",")]


def told_file_by_file(path: PurePosixPath) -> bool:
    return path.parts[0] in TOLD_FILE_BY_FILE and not TOLD_AS_A_WHOLE & set(path.parents)


def test_the_top_level_is_closed() -> None:
    """Nothing lies at the top that the design does not name."""
    assert {path.parts[0] for path in tracked_files()} == TOP_LEVEL


def test_the_tree_of_the_readme_names_only_what_is_there() -> None:
    """Every entry of the annotated tree exists, folders as folders and files as files."""
    wrong = [
        str(path)
        for path, is_folder in told_paths()
        if not ((ROOT / path).is_dir() if is_folder else (ROOT / path).is_file())
    ]
    assert not wrong


def test_the_tree_of_the_readme_names_everything() -> None:
    """Every top-level entry and every file of conf, ingest, serve, scripts and k8s stands in the annotated tree."""
    told = {path for path, _ in told_paths()}
    due = {PurePosixPath(path.parts[0]) for path in tracked_files()} | TOLD_AS_A_WHOLE
    due |= {path for path in tracked_files() if told_file_by_file(path) and path.name not in UNTOLD}
    assert sorted(map(str, due - told)) == []


def test_the_tree_of_the_readme_tells_nothing_twice() -> None:
    """A path stands in the annotated tree once."""
    told = [path for path, _ in told_paths()]
    assert len(told) == len(set(told))


def test_no_test_folder_takes_the_name_of_a_package() -> None:
    """No folder under tests is called ingest or serve: pytest would import it in place of ours."""
    folders = {name for path in tracked_files() if path.parts[0] == "tests" for name in path.parts[1:-1]}
    assert not folders & {"ingest", "serve", "conf", "scripts"}
