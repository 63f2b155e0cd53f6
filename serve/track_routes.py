"""HTTP: the routes of single tracks. What they do is in `serve.tracks`."""

from typing import Annotated, Protocol

from fastapi import FastAPI, Query
from fastapi import Path as PathParameter

from serve.problems import documented
from serve.schema import Duplicates, TrackAnswer, TrackPage

MAX_PAGE = 500
LAST_ID = 2**63 - 1
MAX_TEXT = 200  # characters of a search

TrackPath = Annotated[int, PathParameter(ge=0, le=LAST_ID)]


class TrackDesk(Protocol):
    """What the routes call: `serve.tracks.Tracks`, or a fake."""

    async def one(self, track_id: int) -> TrackAnswer: ...

    async def page(self, text: str, limit: int, after: int) -> TrackPage: ...

    async def duplicates(self, track_id: int) -> Duplicates: ...

    async def delete(self, track_id: int) -> None: ...


def add_tracks(app: FastAPI, desk: TrackDesk) -> None:
    """The routes below /v1/tracks."""
    _add_looking(app, desk)
    _add_deletion(app, desk)


def _add_looking(app: FastAPI, desk: TrackDesk) -> None:
    @app.get(
        "/v1/tracks",
        tags=["catalogue"],
        summary="The tracks of the catalogue, or those with some words in them",
        responses=documented(s422="`invalid_parameter`", s503="`metadata_store`, with Retry-After"),
    )
    async def tracks(
        q: Annotated[
            str,
            Query(max_length=MAX_TEXT, description="Words that all stand in title, artist, isrc or uri, in any case."),
        ] = "",
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Tracks of one page, at most.")] = 50,
        after: Annotated[int, Query(ge=0, le=LAST_ID, description="`next` of the page before; 0: the first.")] = 0,
    ) -> TrackPage:
        return await desk.page(q, limit, after)

    @app.get(
        "/v1/tracks/{track_id}",
        tags=["catalogue"],
        summary="What is known of a track",
        responses=documented(s404="`unknown_track`", s422="`invalid_parameter`", s503="`metadata_store`"),
    )
    async def track(track_id: TrackPath) -> TrackAnswer:
        return await desk.one(track_id)

    @app.get(
        "/v1/tracks/{track_id}/duplicates",
        tags=["catalogue"],
        summary="The tracks that hold the same recording, sample by sample",
        responses=documented(s404="`unknown_track`", s422="`invalid_parameter`", s503="`metadata_store`"),
    )
    async def duplicates(track_id: TrackPath) -> Duplicates:
        return await desk.duplicates(track_id)


def _add_deletion(app: FastAPI, desk: TrackDesk) -> None:
    @app.delete(
        "/v1/tracks/{track_id}",
        tags=["catalogue"],
        summary="Take a track out of the catalogue",
        description="It answers no more from now on, no job brings it back, and its vectors are deleted in every "
        "generation. Repeating it is safe: a deleted track is a 204 again, and what was interrupted is finished. "
        "Only `action=restore` undoes it.",
        status_code=204,
        responses=documented(
            s404="`unknown_track`: the catalogue never had it",
            s409="`busy`, with Retry-After: a job is writing to the catalogue",
            s422="`invalid_parameter`",
            s503="`metadata_store`; `vector_store`: it answers no more, repeat this to delete its vectors",
        ),
    )
    async def delete(track_id: TrackPath) -> None:
        await desk.delete(track_id)
