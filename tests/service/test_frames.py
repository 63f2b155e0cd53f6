"""What a decode process and its owner say to each other."""

import socket
from typing import Any

from serve.decoding.frames import send


class Answered(socket.socket):
    """Its other side answers what it was told, and goes, before anything more is sent."""

    def sendall(self, data: Any, *_: Any) -> None:
        super().sendall(data)
        self.shutdown(socket.SHUT_RDWR)


def test_a_wish_without_a_payload_is_sent_at_once() -> None:
    """A worker that answers and ends while it is still being asked is no failed decoder."""
    ours, theirs = socket.socketpair()
    with theirs, Answered(fileno=ours.detach()) as channel:
        send(channel, {"window_s": 1.0})
