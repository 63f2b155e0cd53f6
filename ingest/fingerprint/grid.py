"""The time grid that ingest, serve, training and evaluation share.

Letters used in every array docstring: T samples, F bins, N embeddings, B batch, D dimensions.

    samples   8 kHz
    cells     one embedding every EMBEDDING_HOP      128 ms   dense: what a query is made of
    segments  every STORED_STRIDE-th embedding       512 ms   stored: what the catalogue keeps

Embedding n is centred on the middle of cell n, [n · EMBEDDING_HOP, (n + 1) · EMBEDDING_HOP), and segment s is
embedding s · STORED_STRIDE, counted from the first sample of the file and through silence.
"""

SAMPLE_RATE = 8_000  # Hz
EMBEDDING_HOP = 1_024  # samples
STORED_STRIDE = 4  # embeddings
SEGMENT_HOP = EMBEDDING_HOP * STORED_STRIDE  # samples
EMBEDDING_DIM = 128

EMBEDDING_HOP_S = EMBEDDING_HOP / SAMPLE_RATE
SEGMENT_HOP_S = SEGMENT_HOP / SAMPLE_RATE

SEGMENT_BITS = 20  # a vector key is recording_id << SEGMENT_BITS | segment


def vector_key(recording_id: int, segment: int) -> int:
    """The key of one stored embedding.

    >>> vector_key(3, 5) == 3 * 2**20 + 5
    True
    """
    if not 0 <= segment < 1 << SEGMENT_BITS:
        raise ValueError(f"segment {segment} does not fit {SEGMENT_BITS} bits")
    return recording_id << SEGMENT_BITS | segment


def split_key(key: int) -> tuple[int, int]:
    """(recording_id, segment) of a vector key.

    >>> split_key(vector_key(3, 5))
    (3, 5)
    """
    return key >> SEGMENT_BITS, key & ((1 << SEGMENT_BITS) - 1)
