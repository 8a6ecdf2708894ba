"""One session over a real socket, spoken at the pace of speech, and written down by the clock of this process."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import numpy as np
import soxr
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from load_tests.live_speech import LiveSpeech
from load_tests.live_streams import StreamLog, Told
from load_tests.load.calls import error_code
from load_tests.load.conversations import Conversation
from load_tests.load.observations import Outcome, outcome_of
from load_tests.load.plan import Caller
from serve_app.live_client import PIECE_S, SAMPLE_RATE_HZ
from serve_app.loopback import is_loopback

_CONNECT_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 3.0


@dataclass(slots=True)
class Talk:
    """How a session went. ``audio_s`` is what was spoken."""

    log: StreamLog = field(default_factory=StreamLog)
    outcome: Outcome = Outcome.DONE
    reason: str = ""
    retry_after_s: float | None = None
    audio_s: float = 0.0

    def end(self, outcome: Outcome, reason: str) -> None:
        """It did not go well; the first reason is the one that counts."""
        if self.outcome is Outcome.DONE:
            self.outcome, self.reason = outcome, reason


def resampled(speech: LiveSpeech, rate_hz: int) -> bytes:
    """The same as 16-bit PCM at another rate."""
    if rate_hz == SAMPLE_RATE_HZ:
        return speech.pcm
    samples = soxr.resample(np.frombuffer(speech.pcm, "<i2"), SAMPLE_RATE_HZ, rate_hz)
    return np.asarray(samples, "<i2").tobytes()


def talk(
    server: str,
    caller: Caller,
    conversation: Conversation,
    pcm: bytes,
    timeout_s: float,
    should_stop: Callable[[], bool] = lambda: False,
) -> Talk:
    """Open a socket, speak, and listen until all has been answered.

    Args:
        server: base URL.
        caller: whose key is used.
        conversation: in which dialect; one that has not been used.
        pcm: 16 bits, mono, at the rate of the conversation.
        timeout_s: the longest silence of the service behind the last audio.
        should_stop: end early, as a client does that has heard enough: what was said is still answered.
    """
    said = Talk()
    try:
        socket = _connect(server, caller, conversation)
    except InvalidStatus as refusal:
        status, code = refusal.response.status_code, error_code(_json(refusal.response.body))
        said.end(outcome_of(status, code), f"HTTP {status} {code}".strip())
        with contextlib.suppress(KeyError, ValueError):
            said.retry_after_s = float(refusal.response.headers["retry-after"])
        return said
    except (OSError, WebSocketException) as error:  # TimeoutError is one of the first.
        said.end(Outcome.FAILED, f"no socket: {type(error).__name__}")
        return said
    ended = threading.Event()
    speaker = threading.Thread(
        target=_speak, args=(socket, conversation, pcm, said, lambda: should_stop() or ended.is_set()), daemon=True
    )
    with socket:
        speaker.start()
        try:
            _listen(socket, conversation, said, len(pcm) / 2 / conversation.rate_hz, timeout_s)
        finally:
            ended.set()
            speaker.join()
    return said


def _listen(
    socket: ClientConnection, conversation: Conversation, said: Talk, longest_s: float, timeout_s: float
) -> None:
    deadline_s = time.perf_counter() + longest_s + timeout_s
    error = ""
    try:
        while True:
            message = socket.recv(timeout=max(deadline_s - time.perf_counter(), 0.0))
            meaning = conversation.hear(message if isinstance(message, str) else message.decode())
            if meaning.transcript is not None:
                said.log.told.append(Told(time.perf_counter(), meaning.transcript))
            if meaning.error:
                error = meaning.error
            if meaning.is_over:
                break
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd is not None else 1006
        # What was admitted and is then cut off is no refusal.
        outcome = Outcome.FAILED if said.log.told else outcome_of(None, error)
        said.end(outcome, f"closed with {code} {error}".strip())
    except TimeoutError:
        said.end(Outcome.FAILED, f"not over {timeout_s:g} s behind the last audio")
    except ValueError:  # pydantic's and json's errors are.
        said.end(Outcome.FAILED, "a message that is none of the dialect")
    if error:
        said.end(Outcome.FAILED, error)


def _speak(
    socket: ClientConnection, conversation: Conversation, pcm: bytes, said: Talk, should_stop: Callable[[], bool]
) -> None:
    """Send each piece when a microphone would have it, counted from the first: a wait that took long is made up for."""
    piece_bytes = round(PIECE_S * conversation.rate_hz) * 2
    begun_s = time.perf_counter()
    with contextlib.suppress(ConnectionClosed):
        for message in conversation.opening():
            socket.send(message)
        for first in range(0, len(pcm), piece_bytes):
            piece = pcm[first : first + piece_bytes]
            due_s = (first + len(piece)) / 2 / conversation.rate_hz
            time.sleep(max(begun_s + due_s - time.perf_counter(), 0.0))
            if should_stop():
                break
            said.log.sent_at_s.append(time.perf_counter())
            socket.send(conversation.audio(piece))
            said.audio_s = due_s
        for message in conversation.closing():
            socket.send(message)


def _connect(server: str, caller: Caller, conversation: Conversation) -> ClientConnection:
    base = httpx.URL(server)
    scheme = "wss" if base.scheme == "https" else "ws"
    host = base.netloc.decode()
    return connect(
        f"{scheme}://{host}{base.path.rstrip('/')}{conversation.target()}",
        additional_headers={"authorization": f"Bearer {caller.key}"} if caller.key else {},
        # A proxy from the environment cannot reach this machine's own loopback.
        proxy=None if is_loopback(base.host) else True,
        # Speech hardly gets smaller by deflating it.
        compression=None,
        open_timeout=_CONNECT_TIMEOUT_S,
        close_timeout=_CLOSE_TIMEOUT_S,
    )


def _json(content: bytes | bytearray | None) -> object:
    try:
        return json.loads(content or b"")
    except ValueError:
        return None
