"""What can go wrong, as one tree. Raised, never returned; each dialect maps it to its JSON in one place.

RayscribeError
├── InvalidRequest                what the caller sent cannot be served as it is
│   ├── MissingParameter          a required parameter is absent
│   ├── InvalidParameter          a parameter has a wrong value, or is not known
│   └── UnsupportedParameter      a valid parameter that this profile's engines cannot honour
├── AudioRejected                 the recording itself
│   ├── UnsupportedAudio          no audio that can be decoded
│   ├── AudioTooLarge             more bytes than allowed
│   └── AudioTooLong              more seconds than allowed
├── ServiceUnavailable            try again later: nothing is wrong with the request
│   ├── Overloaded                a queue is full
│   ├── StageLost                 a replica died under the request, and retries did not help
│   └── DeadlineExceeded          the answer would have come too late
├── Cancelled                     the caller went away; nobody reads this error
└── EngineUnavailable             an engine cannot start: a file or a package is missing

Every class takes positional arguments only and hands them to Exception, so that pickling keeps them.
"""

from __future__ import annotations


class RayscribeError(Exception):
    """Base of the tree; str() of any of them is fit to be shown to a caller."""


class InvalidRequest(RayscribeError):
    """What the caller sent cannot be served as it is."""


class MissingParameter(InvalidRequest):
    """A required parameter is absent."""

    def __init__(self, parameter: str) -> None:
        super().__init__(parameter)
        self.parameter = parameter

    def __str__(self) -> str:
        return f"Missing required parameter: {self.parameter}"


class InvalidParameter(InvalidRequest):
    """A parameter has a wrong value, or is not one this API knows."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(parameter, reason)
        self.parameter = parameter
        self.reason = reason

    def __str__(self) -> str:
        return f"Invalid parameter {self.parameter}: {self.reason}"


class UnsupportedParameter(InvalidParameter):
    """A valid request that the engines of this profile cannot honour; ``supported`` lists what they can."""

    def __init__(self, parameter: str, reason: str, supported: tuple[str, ...] = ()) -> None:
        super().__init__(parameter, reason)
        self.args = (parameter, reason, supported)
        self.supported = supported

    def __str__(self) -> str:
        return f"Unsupported parameter {self.parameter}: {self.reason}"


class AudioRejected(RayscribeError):
    """The recording cannot be taken."""


class UnsupportedAudio(AudioRejected):
    """No audio that can be decoded was found in the bytes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Unsupported audio: {self.reason}"


class AudioTooLarge(AudioRejected):
    """More bytes than allowed, declared or counted while reading."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(max_bytes)
        self.max_bytes = max_bytes

    def __str__(self) -> str:
        return f"Audio file is larger than {self.max_bytes} bytes"


class AudioTooLong(AudioRejected):
    """More seconds of audio than allowed, declared or counted while decoding."""

    def __init__(self, max_duration_s: float) -> None:
        super().__init__(max_duration_s)
        self.max_duration_s = max_duration_s

    def __str__(self) -> str:
        return f"Audio is longer than {self.max_duration_s:g} seconds"


class ServiceUnavailable(RayscribeError):
    """The service cannot answer now; the same request may succeed after retry_after_s."""

    def __init__(self, message: str, retry_after_s: float = 5.0) -> None:
        super().__init__(message, retry_after_s)
        self.message = message
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.message


class Overloaded(ServiceUnavailable):
    """A bounded queue is full."""


class StageLost(ServiceUnavailable):
    """A replica died under the request and the retries did not help."""


class DeadlineExceeded(ServiceUnavailable):
    """The answer would have come after the request's deadline."""


class Cancelled(RayscribeError):
    """Work was stopped because its caller went away."""


class EngineUnavailable(RayscribeError):
    """An engine cannot start; the message names what is missing and how to get it."""
