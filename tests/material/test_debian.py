"""Packages of games become music and noise; stand-ins that note how they are called are apt and dpkg."""

import zipfile
from pathlib import Path

import av
import numpy as np
import pytest

from ingest.errors import ConfigurationError, InfrastructureError
from ingest.fingerprint import SAMPLE_RATE, decode
from scripts.material import sorting, tools, wave
from scripts.material.__main__ import main
from scripts.music.files import write
from tests.fingerprint.signals import float_wav, melody, tone
from tests.material.stand_ins import calls, rows, stand_in


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """What unpacking a package leaves: music, sounds, speech, and what has to be left out."""
    root = tmp_path / "tree"
    data = root / "usr/share/games/toy"
    song = melody(12.0, 1)
    for name, samples in {
        "music/Theme One.wav": song,
        "music/copy.flac": song,
        "music/fanfare.wav": melody(3.0, 2),
        "music/nothing.wav": np.full(80_000, 0.25, np.float32),
        "long.wav": melody(31.0, 3),
        "sounds/a.wav": tone(500, 1.0),
        "sounds/b.wav": tone(700, 12.0),
        "sounds/wind.wav": melody(21.0, 4),
        "voices/hello.wav": tone(300, 2.0),
    }.items():
        write(data / name, samples.astype(np.float32), SAMPLE_RATE)
    (data / "sounds/broken.ogg").write_bytes(b"OggS, or so it says")
    (data / "sounds/linked.wav").symlink_to(data / "sounds/a.wav")
    with zipfile.ZipFile(data / "more.pk3", "w") as packed:
        packed.writestr("sound/zipped.wav", float_wav(tone(900, 1.0)))
        packed.writestr("../../outside.txt", "no audio")
    licence = root / "usr/share/doc/toy-data/copyright"
    licence.parent.mkdir(parents=True)
    licence.write_text("Files: *\nLicense: CC0-1.0\n")
    return root


@pytest.fixture
def debian(programs: Path, package: Path) -> Path:
    """The programs of a Debian machine on which every package holds what `package` holds."""
    stand_in(programs, "apt-get", 'case "$3" in none*) exit 100;; esac; touch "$3_1.0_all.deb"')
    stand_in(programs, "dpkg-deb", f'cp -r "{package}/." "$3"')
    return programs


def debian_options(out: Path, *packages: str) -> list[str]:
    return [f"out={out}", "parts=[debian]", f"packages=[{', '.join(packages)}]"]


def test_a_package_becomes_music_and_noise(debian: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Music file by file, the rest one recording a kind; each with its source; what is left out is counted."""
    out = tmp_path / "My Material, [1]"
    assert main(debian_options(out, "toy-data")) == 0
    found = {row["file"]: row for row in rows(out)}
    music = {name for name in found if name.startswith("music/")}
    assert "music/toy-data--long.flac" in music and len(music) == 2  # the theme or its copy
    assert found.keys() - music == {f"noise/toy-data-{kind}.flac" for kind in ("sounds", "speech", "ambience")}
    assert float(found["music/toy-data--long.flac"]["seconds"]) == 31.0
    assert {row["kind"] for row in found.values()} == {"music", "noise"}
    assert {row["package"] for row in found.values()} == {"toy-data"}
    assert {(out / row["licence"]).read_text() for row in found.values()} == {"Files: *\nLicense: CC0-1.0\n"}
    said = capsys.readouterr().out
    for reason in ("1 duplicate", "1 short music", "1 silent", "1 unreadable", "3 sounds", "1 speech", "1 ambience"):
        assert reason in said
    assert calls(debian)[0] == "apt-get download -q toy-data" and calls(debian)[1].startswith("dpkg-deb -x ")
    assert not list(tmp_path.rglob("outside.txt"))


def test_files_are_mono_8_khz_16_bit_flac(debian: Path, tmp_path: Path) -> None:
    """What is written is what the trainer reads without converting, and holds the samples that were found."""
    assert main(debian_options(tmp_path / "out", "toy-data")) == 0
    for path in (tmp_path / "out").rglob("*.flac"):
        with av.open(str(path)) as container:
            codec = container.streams.audio[0].codec_context
            assert (codec.name, codec.sample_rate, codec.layout.name, codec.format.name) == (
                "flac",
                8000,
                "mono",
                "s16",
            )
    for row in rows(tmp_path / "out"):
        assert wave.digest(decode(tmp_path / "out" / row["file"]).samples) == row["sha256"]
    kept = decode(tmp_path / "out/music/toy-data--long.flac").samples
    assert np.max(np.abs(kept - melody(31.0, 3))) < 1e-4


def test_what_is_there_is_not_made_again(debian: Path, tmp_path: Path) -> None:
    """A second run calls nothing; a lost file brings its package back whole, from the download that is kept."""
    out = tmp_path / "out"
    assert main(debian_options(out, "toy-data")) == 0
    made, first = rows(out), len(calls(debian))
    assert main(debian_options(out, "toy-data")) == 0
    assert len(calls(debian)) == first
    (out / "noise/toy-data-speech.flac").unlink()
    assert main(debian_options(out, "toy-data")) == 0
    assert rows(out) == made and (out / "noise/toy-data-speech.flac").exists()
    assert [call.split()[0] for call in calls(debian)[first:]] == ["dpkg-deb"]


def test_the_same_audio_is_kept_once_over_all_packages(debian: Path, tmp_path: Path) -> None:
    """A second package with the same music adds none, and is done with what is left of it."""
    out = tmp_path / "out"
    assert main(debian_options(out, "toy-data", "toy-twin")) == 0
    assert not [row for row in rows(out) if row["unit"] == "toy-twin" and row["kind"] == "music"]
    licences = {row["licence"] for row in rows(out) if row["unit"] == "toy-twin"}
    assert licences <= {"https://tracker.debian.org/pkg/toy-twin"}


def test_a_package_without_audio_says_so(debian: Path, package: Path, tmp_path: Path) -> None:
    """Nothing found is a finding: a row without a file keeps the package from being fetched again."""
    for path in package.rglob("*"):
        if path.suffix in (".wav", ".flac", ".ogg", ".pk3"):
            path.unlink()
    assert main(debian_options(tmp_path / "out", "toy-data")) == 0
    (row,) = rows(tmp_path / "out")
    assert (row["kind"], row["file"], row["licence"]) == ("none", "", "no audio")
    first = len(calls(debian))
    assert main(debian_options(tmp_path / "out", "toy-data")) == 0 and len(calls(debian)) == first


def test_a_package_that_is_not_to_be_had_stops_no_other(
    debian: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are gathered, then the run fails naming it: exit code 1, the same command tries again."""
    assert main(debian_options(tmp_path / "out", "none-such", "toy-data")) == 1
    assert "not available: none-such" in capsys.readouterr().err
    assert {row["unit"] for row in rows(tmp_path / "out")} == {"toy-data"}


def test_no_more_music_is_taken_than_is_left() -> None:
    """A piece that does not fit into what may still be taken of a package is left out; sounds are not music."""
    piece = melody(12.0, 1)
    for kind, left_s, reason in [
        ("music", 12.0, None), ("music", 11.9, "more music than is taken of a package"), ("sounds", 0.0, None),
    ]:  # fmt: skip
        assert sorting.why_not(sorting.Found("a", kind, piece), set(), left_s) == reason  # type: ignore[arg-type]


def test_files_of_one_name_are_all_kept(debian: Path, package: Path, tmp_path: Path) -> None:
    """Pieces that are called alike in different folders are numbered, round names that look like numbered ones."""
    for folder, name in [("b", "air.wav"), ("c", "AIR.wav"), ("d", "air-2.wav")]:
        write(package / "usr/share/games/toy/music" / folder / name, melody(9.0, ord(folder)), SAMPLE_RATE)
    assert main(debian_options(tmp_path / "out", "toy-data")) == 0
    airs = [row["file"] for row in rows(tmp_path / "out") if "--air" in row["file"]]
    assert len(set(airs)) == 3 and all((tmp_path / "out" / name).exists() for name in airs)


def test_apt_that_downloads_nothing_is_no_success(debian: Path, tmp_path: Path) -> None:
    """An apt-get that ends well without a file fails the package."""
    stand_in(debian, "apt-get", "true")
    assert main(debian_options(tmp_path / "out", "toy-data")) == 1


@pytest.mark.parametrize(
    ("options", "package"),
    [
        (["parts=[voices]"], "apt-get install espeak-ng"),
        (["parts=[debian]"], "apt-get install apt"),
        (["parts=[scores]", "scores={midi}", "soundfonts=[{midi}/tune.mid]"], "apt-get install fluidsynth"),
        (["parts=[scores]", "scores={midi}", "soundfonts=[/nowhere.sf2]"], "apt-get install fluid-soundfont-gm"),
        (["parts=[scores]", "scores={midi}/none", "soundfonts=[]"], "holds no MIDI files"),
        (["packages=[asc-music, opensurge-data]"], "opensurge-data is held out"),
        (["rules=[{kind: music, path: '(' }]"], "'(' is no regular expression"),
        (["parts=[songs]"], "parts must be one of voices, debian, scores"),
        (["variants=two"], "variants must be a whole number"),
    ],
)
def test_what_is_missing_is_named(
    options: list[str], package: str, programs: Path, midi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing program or file, or a wrong option: exit code 2 and one line that says what to do."""
    assert main([f"out={tmp_path / 'out'}", *(option.replace("{midi}", str(midi)) for option in options)]) == 2
    error = capsys.readouterr().err
    assert package in error and error.count("\n") == 1


def test_a_program_that_fails_is_quoted(programs: Path) -> None:
    """The last line of what a program complained of stands in the error."""
    stand_in(programs, "fluidsynth", 'echo "first" >&2; echo "no such soundfont" >&2; exit 3')
    with pytest.raises(InfrastructureError, match="no such soundfont"):
        tools.run(["fluidsynth", "-F", "x"])
    with pytest.raises(ConfigurationError, match="apt-get install sox"):
        tools.run(["sox"])
