"""What can go wrong, as one tree. Raised, never returned; each dialect maps it to its JSON in one place.

RayscribeError
├── InvalidRequest                what the caller sent cannot be served as it is
│   ├── MissingParameter          a required parameter is absent
│   ├── InvalidParameter          a parameter has a wrong value, or is not known
│   │   └── UnsupportedParameter  a valid parameter that this profile's engines cannot honour
│   ├── NotFound                  no such job, or not this caller's
│   ├── NotOffered                no such path, or no such method on it
│   ├── IllegalMove               a message that does not fit the state of a live session
│   ├── MessageTooLarge           a message of a live session has more bytes, or values, than allowed
│   └── BodyTooSlow               the body of the request stopped coming, or did not end in time
├── AccessDenied                  who asks may not have this
│   ├── Unauthenticated           no key, or one that is not known, revoked or expired
│   ├── FeatureNotInPlan          the plan lacks what a parameter asks for
│   ├── QuotaExceeded             the plan's audio for today is used up
│   └── InsufficientCredits       the wallet is empty
├── TooManyRequests               this caller asks too much at once
│   ├── ConcurrencyLimitReached   as many requests are running as the plan allows
│   └── RateLimitReached          as many requests came lately as the plan allows
├── SourceRejected                a URL that was to be fetched
│   ├── SourceForbidden           a scheme, host or address that this service does not fetch from
│   ├── SourceUnreachable         no answer: name, connection, time, or the server's own failure
│   └── SourceRefused             the server answered that we may not have it, or that it is not there
├── AudioRejected                 the recording itself
│   ├── UnsupportedAudio          no audio that can be decoded
│   ├── AudioTooLarge             more bytes than allowed
│   └── AudioTooLong              more seconds than allowed
├── SessionLimit                  a live session has to end
│   ├── ClientTooFast             its client sends faster than real time for too long
│   ├── SessionTooLong            it has lasted as long as one may
│   ├── SessionIdle               nothing has come for too long
│   └── SessionNotBegun           its client has connected, and not begun it for too long
├── ServiceUnavailable            try again later: nothing is wrong with the request
│   ├── Overloaded                a queue is full
│   ├── StageLost                 a replica died under the request, and retries did not help
│   ├── DeadlineExceeded          the answer would have come too late
│   └── GoingAway                 this process stops; another one will take the connection
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


class NotFound(InvalidRequest):
    """No such thing, or it belongs to somebody else: the two are not told apart."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(kind, name)
        self.kind = kind
        self.name = name

    def __str__(self) -> str:
        return f"No such {self.kind}: {self.name}"


class NotOffered(InvalidRequest):
    """No such path, or no such method on it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class IllegalMove(InvalidRequest):
    """A message that does not fit the state of a live session."""

    def __init__(self, state: str, move: str) -> None:
        super().__init__(state, move)
        self.state = state
        self.move = move

    def __str__(self) -> str:
        return f"Cannot {self.move} while the session is {self.state}"


class MessageTooLarge(InvalidRequest):
    """A message of a live session has more of something than allowed: ``bytes``, or JSON ``values``."""

    def __init__(self, most: int, unit: str = "bytes") -> None:
        super().__init__(most, unit)
        self.most = most
        self.unit = unit

    def __str__(self) -> str:
        return f"A message has more than {self.most} {self.unit}"


class BodyTooSlow(InvalidRequest):
    """The body of a request stopped coming, or did not end in time."""

    def __str__(self) -> str:
        return "The body of the request did not come in time"


class AccessDenied(RayscribeError):
    """Who asks may not have this."""


class Unauthenticated(AccessDenied):
    """No key where one is needed (``missing``), or one that is not known, revoked or expired."""

    def __init__(self, missing: bool) -> None:
        super().__init__(missing)
        self.missing = missing

    def __str__(self) -> str:
        return "An API key is required" if self.missing else "Invalid API key"


class FeatureNotInPlan(AccessDenied):
    """The caller's plan lacks what a parameter asks for."""

    def __init__(self, feature: str, parameter: str) -> None:
        super().__init__(feature, parameter)
        self.feature = feature
        self.parameter = parameter

    def __str__(self) -> str:
        return f"Parameter {self.parameter} asks for {self.feature}, which is not part of this plan"


class QuotaExceeded(AccessDenied):
    """The audio that the plan allows for one day is used up."""

    def __init__(self, audio_hours_per_day: float, retry_after_s: float) -> None:
        super().__init__(audio_hours_per_day, retry_after_s)
        self.audio_hours_per_day = audio_hours_per_day
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"Quota exceeded: {self.audio_hours_per_day:g} hours of audio a day"


class InsufficientCredits(AccessDenied):
    """The wallet is empty."""

    def __str__(self) -> str:
        return "Insufficient credits"


class TooManyRequests(RayscribeError):
    """This caller asks too much at once; the same request may succeed after retry_after_s."""

    def __init__(self, limit: int, retry_after_s: float) -> None:
        super().__init__(limit, retry_after_s)
        self.limit = limit
        self.retry_after_s = retry_after_s


class ConcurrencyLimitReached(TooManyRequests):
    """``limit`` requests of this user are running."""

    def __str__(self) -> str:
        return f"Too many concurrent requests: {self.limit} are running, and the plan allows no more"


class RateLimitReached(TooManyRequests):
    """``limit`` requests of this user came within the last minute."""

    def __str__(self) -> str:
        return f"Rate limit exceeded: {self.limit} requests per minute"


class SourceRejected(RayscribeError):
    """A URL could not be fetched. Messages name the host at most: a URL may carry credentials."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Cannot fetch the audio: {self.reason}"


class SourceForbidden(SourceRejected):
    """A scheme, host or address that this service does not fetch from."""


class SourceUnreachable(SourceRejected):
    """The name, the connection, the time limit, or a failure of the server (5xx)."""


class SourceRefused(SourceRejected):
    """The server answered that we may not have it, or that it is not there (4xx)."""


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


class SessionLimit(RayscribeError):
    """A live session has to end; ``limit_s`` is the limit that it reached, in seconds."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s)
        self.limit_s = limit_s


class ClientTooFast(SessionLimit):
    """More audio waits than may: the client sends faster than real time for too long."""

    def __str__(self) -> str:
        return f"Audio arrives faster than it can be taken: more than {self.limit_s:g} seconds of it wait"


class SessionTooLong(SessionLimit):
    """The session has lasted as long as one may."""

    def __str__(self) -> str:
        return f"The session has reached its longest duration of {self.limit_s:g} seconds"


class SessionIdle(SessionLimit):
    """Nothing has come for too long."""

    def __str__(self) -> str:
        return f"Nothing was received for {self.limit_s:g} seconds"


class SessionNotBegun(SessionLimit):
    """A client holds a connection for too long without a session."""

    def __str__(self) -> str:
        return f"No session was begun within {self.limit_s:g} seconds"


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


class GoingAway(ServiceUnavailable):
    """This process is about to stop: connect again, to another one."""


class Cancelled(RayscribeError):
    """Work was stopped because its caller went away."""


class EngineUnavailable(RayscribeError):
    """An engine cannot start; the message names what is missing and how to get it."""
