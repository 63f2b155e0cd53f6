"""Receipts in any order, repeated, in any batches: the same outcomes."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.receipts import Receipts
from ingest.stores import Done, Reject

TAGS = {"title": None, "artist": "Someone", "album": None, "isrc": None, "content_hash": None}


@dataclass(frozen=True)
class File:
    """stored: segments of each window. reject: its code, if the windows break off."""

    stored: tuple[int, ...]
    reject: str | None = None
    left_out: int | None = None  # a window whose receipt is lost

    def receipts(self, recording_id: int) -> list[dict[str, Any]]:
        last = len(self.stored) - 1 if self.reject is None else None
        rows = [
            {"recording_id": recording_id, "window": window, "last": window == last, "duration_s": 10.5 * (window + 1),
             "truncated": None, **dict.fromkeys(TAGS), "attempt": 1, "decode_s": 0.25, "embed_s": None,
             "code": None, "reason": None,
             "stored": stored, "lake_file": f"{recording_id % 3}-{window % 2}"}
            for window, stored in enumerate(self.stored)
        ]  # fmt: skip
        if last is not None:
            rows[last] |= {"truncated": False, **TAGS}
        else:
            rows.append({**rows[0], "window": -1, "code": self.reject, "reason": "because", "lake_file": None})
        return [row for row in rows if row["window"] != self.left_out]

    def outcome(self, recording_id: int) -> Done | Reject | None:
        if self.reject:
            return Reject(recording_id, self.reject, "because")
        if self.left_out is not None and self.left_out < len(self.stored):
            return None
        if not sum(self.stored):
            return Reject(recording_id, "silent", "there is nothing but silence in it")
        windows = len(self.stored)
        files = tuple(sorted({f"{recording_id % 3}-{window % 2}" for window in range(windows)}))
        return Done(
            recording_id,
            segments=sum(self.stored),
            windows=windows,
            lake_files=files,
            duration_s=10.5 * windows,
            truncated=False,
            **TAGS,
        )


FILES = st.builds(
    File,
    stored=st.lists(st.integers(0, 3), min_size=1, max_size=5).map(tuple),
    reject=st.none() | st.sampled_from(["too_long", "timeout"]),
    left_out=st.none() | st.integers(0, 4),
)


@settings(deadline=None)
@given(st.lists(FILES, max_size=6), st.data())
def test_order_repeats_and_batches_change_nothing(files: list[File], data: st.DataObject) -> None:
    """Whatever comes first, twice or together: each file that is whole has its one outcome, the others have none."""
    rows = [row for number, file in enumerate(files) for row in file.receipts(number)]
    repeats = data.draw(st.lists(st.sampled_from(rows), max_size=8)) if rows else []
    shuffled = data.draw(st.permutations(rows + repeats))
    receipts, audio_s = Receipts(), 0.0
    found: list[Done | Reject] = []
    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        outcomes = receipts.add(shuffled[:size])
        found += [*outcomes.done, *outcomes.rejects]
        audio_s += outcomes.audio_s
        shuffled = shuffled[size:]
    expected = [outcome for number, file in enumerate(files) if (outcome := file.outcome(number))]
    assert sorted(found, key=lambda outcome: outcome.recording_id) == expected
    assert audio_s == sum(outcome.duration_s for outcome in expected if isinstance(outcome, Done))
    begun = {number for number, file in enumerate(files) if file.receipts(number) and not file.outcome(number)}
    assert receipts.unfinished() == sorted(begun)


def test_a_missing_window_stays_open_until_it_comes() -> None:
    """Without one of its windows a file is unfinished; with it, it is done at once."""
    receipts, rows = Receipts(), File((1, 2, 3)).receipts(9)
    assert receipts.add([rows[0], rows[2]]).done == [] and receipts.unfinished() == [9]
    assert [done.segments for done in receipts.add([rows[1]]).done] == [6]
    assert receipts.unfinished() == []


def test_silence_is_a_reject() -> None:
    """A file of which no window stores anything is rejected as silent, and not before its last window came."""
    receipts, rows = Receipts(), File((0, 0)).receipts(4)
    assert receipts.add(rows[:1]).rejects == []
    (reject,) = receipts.add(rows[1:]).rejects
    assert (reject.recording_id, reject.code) == (4, "silent")


def test_what_is_settled_is_settled() -> None:
    """Receipts that come after a file was rejected or done change nothing."""
    receipts, rows = Receipts(), File((2, 2), reject="too_long").receipts(1)
    assert len(receipts.add([rows[-1]]).rejects) == 1
    late = receipts.add(rows)
    assert late.done == [] and late.rejects == [] and receipts.unfinished() == []


def test_the_time_of_the_stages_adds_up() -> None:
    """What each window took is summed over all receipts; a stage that a row never met took nothing."""
    outcomes = Receipts().add([*File((1, 2)).receipts(1), *File((3,), reject="too_long").receipts(2)])
    assert outcomes.busy_s == {"decode": 4 * 0.25, "embed": 0.0}
