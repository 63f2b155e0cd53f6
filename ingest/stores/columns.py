"""What Milvus answers, read as arrays. Letters: Q queries, k hits a query, N rows, D dimensions, P = PEAKS_A_SEGMENT.

pymilvus makes an object of every hit and of every row. These are its own requests, channel and repeats, and Milvus'
published messages; only what comes back is read by columns, in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pymilvus import MilvusClient
from pymilvus.client.prepare import Prepare
from pymilvus.client.ts_utils import construct_guarantee_ts
from pymilvus.client.utils import check_status
from pymilvus.decorators import retry_on_rpc_failure
from pymilvus.grpc_gen import common_pb2

from ingest.fingerprint.peaks import PEAKS_A_SEGMENT

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Peaks = npt.NDArray[np.uint16]
Column = Ints | Floats | list[str]

EMPTY = common_pb2.EmptyCollection


@dataclass(frozen=True)
class SearchHits:
    """The nearest stored vectors of each query, best first.

    Shape: keys int64 [Q, k], −1 where fewer than k exist; scores float32 [Q, k] cosine, −1.0 there.
    """

    keys: Ints
    scores: Floats


@dataclass(frozen=True)
class StoredRows:
    """What is stored under some keys.

    Shape: keys int64 [N] ascending; vectors float32 [N, D], [0, 0] if nothing is stored; peaks uint16 [N, P].
    """

    keys: Ints
    vectors: Floats
    peaks: Peaks

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Those of all parts, one after the other."""
        some = [part for part in parts if len(part.keys)]
        if not some:
            return cls(np.empty(0, np.int64), np.empty((0, 0), np.float32), np.empty((0, PEAKS_A_SEGMENT), np.uint16))
        keys, vectors, peaks = zip(*((part.keys, part.vectors, part.peaks) for part in some), strict=True)
        return cls(np.concatenate(keys), np.concatenate(vectors), np.concatenate(peaks))


def search(
    client: MilvusClient,
    collection: str,
    queries: Floats,
    k: int,
    *,
    field: str,
    params: dict[str, Any],
    consistency: str,
    **limits: Any,
) -> SearchHits:
    """The k nearest of each query [Q, D].

    `limits` are those of the client's own methods: timeout, retry_times. Raises what these raise.
    """
    request = Prepare.search_requests_with_expr(
        collection_name=collection,
        anns_field=field,
        param=params,
        limit=k,
        data=np.ascontiguousarray(queries, np.float32),
        **_consistent(collection, consistency),
    )
    results = _answer(client, "Search", request, limits).results
    keys, scores = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -1.0, np.float32)
    if results.topks:
        there = np.arange(k) < np.array(results.topks)[:, None]
        keys[there], scores[there] = results.ids.int_id.data, results.scores
    return SearchHits(keys, scores)


def rows(
    client: MilvusClient, collection: str, condition: str, fields: Sequence[str], *, consistency: str, **limits: Any
) -> dict[str, Column]:
    """The fields of the rows that meet a condition, [N] or [N, D] each; nothing where there are no rows."""
    request = Prepare.query_request(collection, condition, list(fields), None, **_consistent(collection, consistency))
    answer = _answer(client, "Query", request, limits)
    return {data.field_name: _column(data) for data in answer.fields_data}


def _consistent(collection: str, consistency: str) -> dict[str, Any]:
    """The part of a request that tells how fresh the answer must be."""
    options: dict[str, Any] = {"consistency_level": consistency}
    return {"use_default_consistency": construct_guarantee_ts(collection, options)} | options


def _answer(client: MilvusClient, procedure: str, request: Any, limits: dict[str, Any]) -> Any:
    database = client._generate_call_context().to_grpc_metadata()
    return _called(client._get_connection(), procedure, request, database, **limits)


@retry_on_rpc_failure()  # type: ignore[untyped-decorator]
def _called(handler: Any, procedure: str, request: Any, metadata: Any, timeout: float | None = None, **_: Any) -> Any:
    """Raises grpc.RpcError, MilvusException."""
    answer = getattr(handler._stub, procedure)(request, timeout=timeout, metadata=metadata)
    if EMPTY not in (answer.status.code, answer.status.error_code):
        check_status(answer.status)
    return answer


def _column(data: Any) -> Column:
    kind = data.WhichOneof("field")
    if kind == "vectors":
        return np.array(data.vectors.float_vector.data, np.float32).reshape(-1, data.vectors.dim)
    if data.scalars.WhichOneof("data") == "long_data":
        return np.array(data.scalars.long_data.data, np.int64)
    return list(data.scalars.string_data.data)
