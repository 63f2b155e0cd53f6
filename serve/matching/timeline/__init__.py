"""A long recording → which recordings of the catalogue are heard in it, from when to when.

settings   what can be tuned
tape       the embeddings of the last seconds, cut into stretches
evidence   how well a line is heard, moment by moment, and the intervals in which it is
line       one recording that is being followed
follow     lines scored on a stretch, forwards and back to where they began
claims     which of several lines has a moment
timeline   the whole: search, follow, close, settle
"""

from serve.matching.timeline.claims import Segment, Sound
from serve.matching.timeline.settings import TimelineSettings
from serve.matching.timeline.timeline import Timeline

__all__ = ["Segment", "Sound", "Timeline", "TimelineSettings"]
