"""The whole matcher: search, vote, rescore, group, decide."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP_S, SEGMENT_HOP_S
from serve.matching.calibration import Calibration, Features
from serve.matching.contract import Catalogue, Match, Query, Ranking, Variants
from serve.matching.grouping import agreement, groups, one_each
from serve.matching.readings import Reading, look, promising
from serve.matching.rescoring import Alignment
from serve.matching.settings import MatcherSettings

DEFAULT_SETTINGS = MatcherSettings()


def identify(
    query: Query,
    catalogue: Catalogue,
    *,
    calibration: Calibration,
    settings: MatcherSettings = DEFAULT_SETTINGS,
    variants: Variants | None = None,
    threshold: float | None = None,
    limit: int = 5,
) -> list[Match]:
    """The recordings that the clip is of, best first; none if it is of no recording in the catalogue.

    `threshold` replaces the calibration's for the clip's length. What the catalogue's callables raise is passed on.
    """
    ranking = rank(query, catalogue, calibration=calibration, settings=settings, variants=variants)
    clip_s = len(query.vectors) * EMBEDDING_HOP_S
    least = calibration.threshold(clip_s) if threshold is None else threshold
    return [match for match in ranking.matches if match.confidence >= least][:limit]


def rank(
    query: Query,
    catalogue: Catalogue,
    *,
    calibration: Calibration,
    settings: MatcherSettings = DEFAULT_SETTINGS,
    variants: Variants | None = None,
) -> Ranking:
    """Every recording considered, best first, with its features, whether it would be accepted or not.

    A quarter of the clip is searched first, then all of it, then a quarter of all its variants together, then all of
    those variants that promise more than the clip as it is; each only if the best match so far is not decisive:
    unsure, or with a rival place in the same recording.
    """
    best: Match | None = None
    others: Iterator[Match] = iter(())
    readings = [Reading(query, 1.0, settings)]
    for looked_at in _looks(readings, variants, settings):
        look(looked_at, catalogue, settings)
        alignments = [place for reading in readings for place in reading.alignments]
        tracks = {recording: track for reading in readings for recording, track in reading.tracks.items()}
        others = judging(query, alignments, tracks, calibration, settings)
        best = next(others, None)
        if best and decisive(best, alignments, settings):
            break
    searched = sum(len(reading.search.searched) for reading in readings)
    return Ranking((best, *others) if best else (), searched, len(readings) - 1)


def _looks(readings: list[Reading], variants: Variants | None, settings: MatcherSettings) -> Iterator[list[Reading]]:
    """What to look at next, as long as it is asked for; the variants join the readings when their turn comes.

    They are begun after the first look: where that does not decide, the second rarely does, and both go on meanwhile.
    """
    plain = readings[0]
    if plain.unsearched:
        yield [plain]
    begun = variants() if variants else ()
    while plain.unsearched:
        yield [plain]
    retuned = [Reading(query, ratio, settings) for ratio, query in begun]
    readings += retuned
    if heard := [reading for reading in retuned if reading.unsearched]:
        yield heard
    if better := promising(retuned, plain, settings):
        yield better


def decisive(best: Match, alignments: Iterable[Alignment], settings: MatcherSettings) -> bool:
    """Whether more evidence would change neither the recording nor the place in it."""
    if best.confidence < settings.decisive_confidence:
        return False
    places = [place for place in alignments if place.recording_id == best.recording_id]
    strongest = max(places, key=lambda place: place.strength)
    return not any(
        abs(place.offset_s - strongest.offset_s) >= settings.line_gap_s
        and place.strength >= strongest.strength - settings.place_lead
        and not agreement(strongest, place, settings).same
        for place in places
    )


def judge(
    query: Query,
    alignments: Iterable[Alignment],
    tracks: Mapping[int, int],
    calibration: Calibration,
    settings: MatcherSettings,
) -> tuple[Match, ...]:
    """One match for every content, strongest first, answered with the recording of the lowest track id."""
    return tuple(judging(query, alignments, tracks, calibration, settings))


def judging(
    query: Query,
    alignments: Iterable[Alignment],
    tracks: Mapping[int, int],
    calibration: Calibration,
    settings: MatcherSettings,
) -> Iterator[Match]:
    """The same one by one: most looks need only the first."""
    found = groups(one_each(alignments, settings), settings)
    if not found:
        return
    best = found[0][0]
    rivals = (group[0] for group in found[1:])
    rival = next((r for r in rivals if not _related(best, r, settings)), None)
    next_strength = max(rival.strength if rival else 0.0, settings.chance_strength)
    for number, group in enumerate(found):
        yield _match(query, group, best.strength if number else next_strength, tracks, calibration)


def _related(best: Alignment, other: Alignment, settings: MatcherSettings) -> bool:
    """Whether one's strength is no doubt about the other, so alike are they: another mix, or speed."""
    return agreement(best, other, settings).cosine >= settings.related_cosine


def _match(
    query: Query,
    group: list[Alignment],
    next_strength: float,
    tracks: Mapping[int, int],
    calibration: Calibration,
) -> Match:
    place, *others = sorted(group, key=lambda member: (tracks[member.recording_id], member.recording_id))
    features = _features(query, place, next_strength)
    aligned_s = place.pairs * SEGMENT_HOP_S / place.speed
    return Match(
        recording_id=place.recording_id,
        offset_s=place.offset_s,
        speed=place.speed,
        pitch_semitones=pitch_semitones(place),
        score=place.score,
        confidence=calibration.confidence(features),
        aligned_s=min(aligned_s, float(query.audible.sum()) * EMBEDDING_HOP_S),
        same_recording=tuple(member.recording_id for member in others),
        features=features,
        evidence=place.evidence,
    )


def pitch_semitones(place: Alignment) -> float:
    """Of the clip over the recording: what the reading was lowered by, and what it is still higher by."""
    return place.semitones + float(12 * np.log2(place.ratio))


def _features(query: Query, place: Alignment, next_strength: float) -> Features:
    played = 12 * np.log2(place.slope)
    return Features(
        score=place.score,
        contrast=place.contrast,
        agreement=place.agreement,
        lead=place.strength - next_strength,
        evidence=float(place.contrast * np.sqrt(place.pairs)),
        peak_evidence=float(place.agreement * np.sqrt(place.peaks)),
        log_pairs=float(np.log1p(place.pairs)),
        coverage=place.coverage,
        audible=float(query.audible.mean()),
        hurried=float(abs(np.log(place.slope))),
        detuned=float(min(abs(place.semitones), abs(place.semitones - played))),
        log_clip_s=float(np.log(len(query.audible) * EMBEDDING_HOP_S)),
        retuned=float(place.ratio != 1.0),
    )
