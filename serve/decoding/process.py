"""One decode process as its owner sees it: started, asked, killed. What it says is believed where it makes sense."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ingest.fingerprint import BadInput, NoAudioStream, TooLong, TooShort, UnreadableAudio
from serve.decoding.frames import BadFrame, Payload, receive, send
from serve.problems import DecodeFailed, DecoderAway, DecodeTimeout

START_S = 180.0  # to import what decoding needs, on a machine that has other things to do
GRACE_S = 1.0  # beyond its own alarm, before a process is killed from here
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH")  # of the environment: the rest holds secrets
THRIFTY = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
BAD_INPUT: dict[str, type[BadInput]] = {kind.code: kind for kind in (UnreadableAudio, NoAudioStream, TooShort, TooLong)}

T = TypeVar("T")
Told = Mapping[str, Any]


class DecodeProcess:
    """A process of its own that runs one of the worker modules; to be closed.

    Raises DecodeTimeout and DecodeFailed for what the bytes do to it; after either it is of no more use.
    """

    def __init__(self, module: str, arguments: Sequence[int], files: Sequence[int] = ()) -> None:
        """`arguments` follow the channel. Raises DecoderAway."""
        self._channel, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", module, *map(str, (theirs.fileno(), *arguments))]
            try:
                self._process = subprocess.Popen(
                    command, cwd="/", env=environment(), stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(), *files)
                )
            except OSError as error:
                self._channel.close()
                raise DecoderAway(f"no decoder can be started: {error.strerror}") from error
        self._ready = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_ready(self) -> None:
        """Until it has started. Raises DecoderAway."""
        if self._ready:
            return
        try:
            receive(self._channel, 0, START_S)
        except (OSError, EOFError, BadFrame) as error:
            self.close()
            raise DecoderAway("a decoder ended before it was ready") from error
        self._ready = True

    def ask(self, told: Told, payload: Payload, limit_s: float) -> None:
        """Send a wish, and what it is about, which is taken within `limit_s`. Raises DecodeTimeout, DecodeFailed."""
        self._watched(lambda: send(self._channel, told, payload, limit_s + GRACE_S), limit_s)

    def answer(self, read: Callable[[Told, bytearray], T], most: int, limit_s: float) -> T | BadInput:
        """What it says next, read, or the bad input that it tells; a payload has at most so many bytes.

        `read` raises BadFrame for what makes no sense. Raises DecodeTimeout, DecodeFailed.
        """

        def work() -> T | BadInput:
            told, payload = receive(self._channel, most, limit_s + GRACE_S)
            return _refusal(told) if "code" in told else read(told, payload)

        return self._watched(work, limit_s)

    def _watched(self, work: Callable[[], T], limit_s: float) -> T:
        try:
            return work()
        except TimeoutError as error:
            self.close()
            raise DecodeTimeout(f"not decoded within {limit_s:g} s") from error
        except (OSError, EOFError, BadFrame) as error:
            raise self._ended(limit_s) from error

    def _ended(self, limit_s: float) -> DecodeTimeout | DecodeFailed:
        """Why nothing that makes sense comes any more."""
        try:
            code = self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            code = 0
        self.close()
        if code == -signal.SIGALRM:
            return DecodeTimeout(f"not decoded within {limit_s:g} s")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return DecodeFailed(f"these bytes ended the decoder ({how})")

    def close(self) -> None:
        """Kill it; nothing of it is left. May be called more than once, and from any thread."""
        self._process.kill()
        self._process.wait()
        self._channel.close()


def _refusal(told: Told) -> BadInput:
    kind = BAD_INPUT.get(str(told["code"]))
    if kind is None:
        raise BadFrame("a code that no decoder tells")
    return kind(str(told.get("detail")))


def environment() -> dict[str, str]:
    """What a decode process knows of ours: where the code is."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    places = [os.path.abspath(place) for place in sys.path if place]  # noqa: PTH100 (a zip is a place as well)
    return kept | THRIFTY | {"PYTHONPATH": os.pathsep.join(places)}
