"""The whole matcher: search, vote, rescore, group, decide."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from ingest.fingerprint.grid import EMBEDDING_HOP_S, SEGMENT_HOP_S
from serve.matching.calibration import Calibration, Features
from serve.matching.contenders import contenders
from serve.matching.contract import Catalogue, Match, Query, Ranking, Variants
from serve.matching.grouping import agreement, groups, one_each
from serve.matching.rescoring import Alignment, line_length, rescore
from serve.matching.searching import HitList, searches
from serve.matching.settings import MatcherSettings
from serve.matching.voting import vote

DEFAULT_SETTINGS = MatcherSettings()


def identify(
    query: Query,
    catalogue: Catalogue,
    *,
    calibration: Calibration,
    settings: MatcherSettings = DEFAULT_SETTINGS,
    variants: Variants = (),
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
    variants: Variants = (),
) -> Ranking:
    """Every recording considered, best first, with its features, whether it would be accepted or not.

    A quarter of the clip is searched first, then all of it, then its variants one by one, each only if the
    best match so far is not decisive: unsure, or with a rival place in the same recording. Of a variant all is
    searched only if its quarter promises more than what was found before.
    """
    matches: tuple[Match, ...] = ()
    alignments: list[Alignment] = []
    tracks: dict[int, int] = {}
    searched, retuned = 0, 0
    for retuned, (ratio, reading) in enumerate(_readings(query, variants)):
        earlier = alignments
        for search in searches(reading, catalogue, settings):
            searched += search.searched
            fetched = settings.fetched_at(bool(retuned), search.last)
            found, known = align(reading, ratio, search.hits, catalogue, replace(settings, fetched=fetched))
            alignments, tracks = earlier + found, tracks | known
            matches = judge(query, alignments, tracks, calibration, settings)
            if matches and decisive(matches[0], alignments, settings):
                return Ranking(matches, searched, retuned)
            if retuned and not promising(found, earlier, settings):
                break
    return Ranking(matches, searched, retuned)


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


def promising(found: Iterable[Alignment], earlier: Iterable[Alignment], settings: MatcherSettings) -> bool:
    """Whether a variant, as far as it was searched, suits a recording better than any reading before it."""
    before = max((place.strength for place in earlier), default=-np.inf)
    return any(place.strength >= before + settings.promising_lead for place in found)


def _readings(query: Query, variants: Variants) -> Iterator[tuple[float, Query]]:
    yield 1.0, query
    for ratio, embed in variants:
        yield ratio, embed()


def align(
    reading: Query, ratio: float, hits: HitList, catalogue: Catalogue, settings: MatcherSettings
) -> tuple[list[Alignment], dict[int, int]]:
    """The best lines of the hits, scored exactly, and the track ids of the recordings."""
    clip_s = len(reading.vectors) * EMBEDDING_HOP_S
    hits, tracks = contenders(hits, clip_s, catalogue.published, settings)
    if not len(hits):
        return [], tracks
    lines = vote(hits, clip_s, line_length(clip_s, settings), settings)
    return rescore(reading, ratio, lines, catalogue.fetch, settings), tracks


def judge(
    query: Query,
    alignments: Iterable[Alignment],
    tracks: Mapping[int, int],
    calibration: Calibration,
    settings: MatcherSettings,
) -> tuple[Match, ...]:
    """One match for every content, strongest first, answered with the recording of the lowest track id."""
    found = groups(one_each(alignments, settings), settings)
    if not found:
        return ()
    best = found[0][0]
    rivals = (group[0] for group in found[1:])
    rival = next((r for r in rivals if not _related(best, r, settings)), None)
    next_strength = max(rival.strength if rival else 0.0, settings.chance_strength)
    return tuple(
        _match(query, group, best.strength if number else next_strength, tracks, calibration)
        for number, group in enumerate(found)
    )


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
