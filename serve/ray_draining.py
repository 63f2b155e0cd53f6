"""Whether Ray Serve has begun to end this replica: it waits for the requests under way, and does not tell them."""

from typing import Any


def ending() -> bool:
    """To be asked inside a replica; False where this version of Ray does not say."""
    from ray._private.worker import global_worker

    actors: dict[Any, Any] = global_worker.actors
    replica = next(iter(actors.values()), None)
    return bool(getattr(getattr(replica, "_replica_impl", None), "_shutting_down", False))
