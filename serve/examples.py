"""What the documentation of the API shows as answers."""

from pydantic import JsonValue

TRACK: dict[str, JsonValue] = {
    "track_id": 17,
    "uri": "Big Band/Moonlight Serenade.flac",
    "title": "Moonlight Serenade",
    "artist": "The Harbour Band",
    "album": "Evenings",
    "isrc": "DEA123456789",
}
MATCH: dict[str, JsonValue] = TRACK | {
    "offset_s": 63.42,
    "score": 0.871,
    "confidence": 0.998,
    "speed": 1.02,
    "pitch_semitones": 0.34,
    "aligned_s": 9.73,
    "same_recording": [204],
}
SEGMENT: dict[str, JsonValue] = TRACK | {
    "start_s": 124.31,
    "end_s": 302.88,
    "track_start_s": 0.0,
    "track_end_s": 182.14,
    "confidence": 0.999,
    "score": 0.83,
    "speed": 1.02,
    "pitch_semitones": 0.34,
    "same_recording": [204],
    "alternatives": [],
}
TIMINGS: dict[str, JsonValue] = {
    "decode": 6.1,
    "embed": 11.9,
    "search": 14.2,
    "match": 5.3,
    "lookup": 0.8,
    "total": 39.0,
}

INFO: dict[str, JsonValue] = {
    "version": "0.1.0",
    "catalog": "default",
    "generation": 3,
    "collection": "refrain_default_3",
    "encoder": "f2c1d87a6a0f3f0f5b0a3f5f7d9a5d8c3f6f0c6c7e0a4f3b2d1c0b9a8f7e6d5c",
    "index": "HNSW",
    "tracks": 120000,
    "segments": 51000000,
    "hours": 7250.5,
    "answering": {
        "min_confidence": 0.6,
        "hits": 100,
        "max_searched": 600,
        "search_params": {"ef": 200},
        "tuned": ["min_confidence", "search_params"],
    },
    "limits": {"body_mib": 32, "upload_s": 900, "clip_s": 30, "timeline_body_mib": 1024, "timeline_s": 14400},
}
