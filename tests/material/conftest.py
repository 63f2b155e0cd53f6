"""What tests of several parts share."""

from pathlib import Path

import mido
import pytest


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An otherwise empty PATH. `given/` holds what the stand-ins hand out, `calls` what they were asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("cat", "cp", "sh", "touch"):
        (folder / name).symlink_to(next(p for p in (Path("/bin") / name, Path("/usr/bin") / name) if p.exists()))
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def midi(tmp_path: Path) -> Path:
    """A folder with one score: 5 notes a second apart on channel 0 from C4, a drum each, over 200 s."""
    folder = tmp_path / "midi"
    folder.mkdir()
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000), mido.Message("program_change", program=40)])
    track.append(mido.Message("control_change", control=0, value=8))
    track.append(mido.Message("sysex", data=[1, 2, 3]))
    for i in range(200):
        track.append(mido.Message("note_on", note=60 + i % 5, velocity=90, time=0))
        track.append(mido.Message("note_on", note=38, channel=9, velocity=90, time=0))
        track.append(mido.Message("note_off", note=60 + i % 5, time=960))
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(folder / "tune.mid")
    return folder
