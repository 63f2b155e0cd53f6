"""The loader: groups composed, values literal, every error one readable line."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conf import compose, describe
from conf.loader import SHIPPED as FOLDER
from conf.loader import group_choices, merged_files, split_override
from ingest.__main__ import main as ingest_main
from ingest.config import IngestConfig, Pools
from ingest.errors import ConfigurationError
from serve.__main__ import main as serve_main

# Anything an argument can hold: the operating system forbids NUL alone, and YAML must still have lines to read.
ARGUMENTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def ingest(*overrides: str) -> IngestConfig:
    return compose("ingest", ["home=h", *overrides], IngestConfig)


def refusal(*overrides: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        ingest(*overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


@settings(max_examples=25, deadline=None)
@given(path=ARGUMENTS, home=ARGUMENTS, uri=ARGUMENTS)
@example(path="/tmp/My Songs (2020), [x]", home="~", uri="s3://b/a=b#c")
@example(path="${oc.env:HOME}", home="$x{}", uri="a\\'b\"c\\")
@example(path=" leading and trailing ", home="???", uri="null ")
@example(path="[a,b]", home="{a: 1}", uri="1e3")
@example(path="null", home="true", uri="~")
@example(path="\\${home}", home="'quoted'", uri='"quoted"')
@example(path="a\nb\tc", home="é / é / 音楽", uri="--x")
def test_values_arrive_verbatim(path: str, home: str, uri: str) -> None:
    """A string option holds exactly the characters that were typed, whatever they mean to a shell, YAML or hydra."""
    config = compose("ingest", [f"home={home}", f"catalog.path={path}", f"lake.uri={uri}"], IngestConfig)
    assert (config.home, config.catalog.path) == (home, path)
    assert config.lake.uri == (None if uri == "null" else uri)


@settings(max_examples=15, deadline=None)
@given(arguments=st.lists(ARGUMENTS, min_size=1, max_size=3))
def test_no_argument_breaks_the_loader(arguments: list[str]) -> None:
    """Arbitrary arguments give a configuration or a ConfigurationError of one line, never another exception."""
    try:
        compose("ingest", arguments, IngestConfig)
    except ConfigurationError as error:
        assert len(str(error).splitlines()) == 1


def test_groups_change_what_they_say_and_nothing_else() -> None:
    """vectors=milvus metadata=mysql catalog=s3 replaces exactly these three groups."""
    small, large = ingest(), ingest("vectors=milvus", "metadata=mysql", "catalog=s3")
    assert (large.vectors.kind, large.metadata.kind, large.catalog.kind) == ("milvus", "mysql", "s3")
    assert large.catalog.suffixes == small.catalog.suffixes
    assert (large.compute, large.audio, large.encoder) == (small.compute, small.audio, small.encoder)


def test_a_value_wins_over_its_group_wherever_it_stands() -> None:
    """An option given before its group's choice still wins, and of two values the last."""
    assert ingest("vectors.timeout_s=7", "vectors=milvus").vectors.timeout_s == 7
    assert ingest("catalog.name=a", "catalog.name=b").catalog.name == "b"


def test_a_cluster_has_an_error_budget() -> None:
    """Unlimited by default, 5 % with compute=cluster, and still an option there."""
    assert ingest().error_budget is None
    assert ingest("compute=cluster").error_budget == 0.05
    assert ingest("compute=cluster", "error_budget=null").error_budget is None


def test_values_become_what_the_field_wants() -> None:
    """Numbers, booleans, null, lists and open mappings are read by the type of their field."""
    config = ingest(
        "compute.num_cpus=3",
        "compute.object_store_mb=null",
        "compute.decode_cpus=0.5",
        "audio.denoise=true",
        "catalog.suffixes=[.mp3, .wav]",
        "vectors.index_params={M: 8}",
        "vectors.index_params.efConstruction=100",
    )
    assert (config.compute.num_cpus, config.compute.object_store_mb, config.compute.decode_cpus) == (3, None, 0.5)
    assert config.audio.denoise is True
    assert config.catalog.suffixes == [".mp3", ".wav"]
    assert config.vectors.index_params == {"M": 8, "efConstruction": 100}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("hom=x", "unknown option 'hom': did you mean 'home'?"),
        ("compute.embed_gpu=1", "did you mean 'compute.embed_gpus'?"),
        ("block_rows=1", "did you mean 'compute.block_rows'?"),
        ("vector=milvus", "did you mean 'vectors'?"),
        ("qqqq=1", "unknown option 'qqqq', see --help"),
        ("lake=x", "unknown option 'lake'"),
        ("home.x=1", "unknown option 'home.x'"),
        ("vectors.index_params.M.x=1", "unknown option"),
        ("vectors=faiss", "vectors must be one of milvus, milvus_lite, not 'faiss'"),
        ("vectors=", "vectors must be one of"),
        (
            "action=go",
            "action must be one of plan, run, status, report, retry_failed, reindex, promote, rollback, prune, "
            "delete, restore, not 'go'",
        ),
        ("compute.num_cpus=two", "compute.num_cpus must be a whole number, not 'two'"),
        ("compute.num_cpus=2.5", "compute.num_cpus must be a whole number"),
        ("compute.embed_batch=null", "compute.embed_batch must be a whole number"),
        ("audio.min_s=long", "audio.min_s must be a number, not 'long'"),
        ("audio.denoise=maybe", "audio.denoise must be true or false, not 'maybe'"),
        ("catalog.suffixes=.mp3", "catalog.suffixes must be a list like [a, b]"),
        ("catalog.suffixes=[.mp3", "cannot be read as YAML"),
        ("catalog.suffixes=[1]", "catalog.suffixes must be a text"),
        ("vectors.index_params=8", "vectors.index_params must be a mapping"),
        ("--verbose", "cannot read '--verbose': arguments are key=value"),
        ("~home", "cannot read '~home'"),
        ("+x=1", "cannot read '+x'"),
        ("", "cannot read ''"),
    ],
)
def test_errors_name_the_option(override: str, words: str) -> None:
    """Every way to get an argument wrong is one line that says which and what would be right."""
    assert words in refusal(override)


def test_home_has_no_default() -> None:
    """Without home there is an error that says how to give it."""
    with pytest.raises(ConfigurationError, match="home is not given: say home=…"):
        compose("ingest", [], IngestConfig)


def test_an_argument_that_is_no_pair_is_not_repeated_in_full() -> None:
    """The error for a malformed argument shows the key alone: the value may be a password."""
    assert "hunter2" not in refusal("--metadata.password=hunter2")


def test_secrets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens and passwords are read from the environment verbatim, and an argument wins."""
    monkeypatch.setenv("REFRAIN_MILVUS_TOKEN", "root:${x} y")
    monkeypatch.setenv("REFRAIN_MYSQL_PASSWORD", "p@ss/w'ord")
    config = ingest("vectors=milvus", "metadata=mysql")
    assert (config.vectors.token, config.metadata.password) == ("root:${x} y", "p@ss/w'ord")
    assert ingest("vectors=milvus", "vectors.token=other").vectors.token == "other"


def test_help_does_not_print_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """--help shows the groups and every option with its default, secrets masked."""
    monkeypatch.setenv("REFRAIN_MILVUS_TOKEN", "hunter2")
    text = describe("ingest")
    assert "vectors=milvus|milvus_lite" in text
    assert "  compute.embed_batch=" in text
    assert "hunter2" not in text


def option_tree(schema: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(schema)
    return {f.name: option_tree(hints[f.name]) if is_dataclass(hints[f.name]) else None for f in fields(schema)}


def shape(tree: Any, model: dict[str, Any]) -> dict[str, Any]:
    return {key: shape(value, model[key]) if model.get(key) else None for key, value in tree.items()}


@pytest.mark.parametrize(
    "choice", [(group, choice) for group, choices in group_choices("ingest").items() for choice in choices]
)
def test_every_option_has_its_home_in_the_files(choice: tuple[str, str]) -> None:
    """With every choice of every group, the YAML files say exactly the options of the dataclasses."""
    model = option_tree(IngestConfig)
    assert shape(merged_files("ingest", dict([choice])), model) == model


def test_composing_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No outputs/ or .hydra folder appears in the working directory."""
    monkeypatch.chdir(tmp_path)
    ingest()
    assert not list(tmp_path.iterdir())


def test_the_first_equals_sign_divides() -> None:
    """What stands behind the first = belongs to the value."""
    assert split_override("catalog.path=a=b=") == ("catalog.path", "a=b=")


@dataclass
class Unfilled:
    home: str
    action: str
    extra: int


def test_a_schema_that_the_files_do_not_fill_is_named() -> None:
    """A dataclass that asks for more or less than the files say is a ConfigurationError, not a TypeError."""
    with pytest.raises(ConfigurationError, match="unknown option force"):
        compose("ingest", ["home=h"], Unfilled)


def test_pools_are_as_configured_or_what_stands_for_null() -> None:
    """Null is a decoder a CPU and one embedder, on a cluster too; what they ask for is the sum over all actors."""
    said = ingest("compute.decode_actors=6", "compute.embed_actors=2", "compute.decode_cpus=0.5").compute
    assert (said.pools, said.pool_cpus, said.pool_gpus) == (Pools(6, 2), 5.0, 0.0)
    some = ingest("compute=cluster", "compute.num_cpus=3", "compute.embed_gpus=0.5", "compute.embed_cpus=0").compute
    assert (some.pools, some.pool_cpus, some.pool_gpus) == (Pools(3, 1), 3.0, 0.5)
    assert ingest("compute=cluster").compute.pools == Pools(os.cpu_count() or 1, 1)
    assert said.pools.by_stage() == {"decode": 6, "embed": 2}


def test_another_folder_may_hold_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REFRAIN_CONF replaces the folder of the package, whole: what is not there is an error that names the place."""
    shutil.copytree(FOLDER, tmp_path / "conf", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    text = (tmp_path / "conf/ingest.yaml").read_text()
    (tmp_path / "conf/ingest.yaml").write_text(text.replace("on_rejects: exit5", "on_rejects: exit0"))
    monkeypatch.setenv("REFRAIN_CONF", str(tmp_path / "conf"))
    assert ingest().on_rejects == "exit0"
    monkeypatch.setenv("REFRAIN_CONF", str(tmp_path / "nowhere"))
    assert "nowhere has no readable ingest.yaml" in refusal()


def test_stores_may_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses of servers come from the environment where no option says otherwise."""
    monkeypatch.setenv("REFRAIN_MILVUS_URI", "http://milvus.stores:19530")
    monkeypatch.setenv("REFRAIN_MYSQL_URL", "mysql+pymysql://me@db:3306/songs?charset=utf8mb4")
    servers = ("vectors=milvus", "metadata=mysql")
    assert ingest(*servers).vectors.uri == "http://milvus.stores:19530"
    assert ingest(*servers).metadata.url == "mysql+pymysql://me@db:3306/songs?charset=utf8mb4"
    assert ingest(*servers, "vectors.uri=http://other:1").vectors.uri == "http://other:1"


@pytest.mark.parametrize("main", [ingest_main, serve_main])
def test_a_configuration_is_shown_and_nothing_done(
    main: Callable[[list[str]], int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`--cfg job`, wherever it stands, prints the composed options without secrets, and touches no home."""
    monkeypatch.setenv("REFRAIN_MYSQL_PASSWORD", "hush")
    assert main([f"home={tmp_path}/home", "--cfg", "job", "metadata=mysql"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert shown["home"] == f"{tmp_path}/home"
    assert (shown["metadata"]["kind"], shown["metadata"]["password"]) == ("mysql", "***")
    assert not (tmp_path / "home").exists()
    assert main(["home=x", "--cfg", "job", "no_such=1"]) == 2
