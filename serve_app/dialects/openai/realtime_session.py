"""What a realtime transcription session is set to: ``session.update`` in, options of a live session out. Pure.

A session is described by what OpenAI calls its session object; the fields that a client may send are those of the
models here, and anything else is refused by name. Where this service differs from the vendor's:

* Any ``model`` is taken: clients are set up with many. One that ``/v1/models`` does not list is the first of that list.
* ``audio/pcm`` may have any rate from 8 to 48 kHz; the vendor takes 24 kHz only.
* ``delay`` is how seldom the running utterance is looked at. Text is sent when two looks agree on it, so a longer delay
  gives text that is more often right, as the vendor describes it.
* ``prefix_padding_ms`` moves ``audio_start_ms``. The recogniser hears its own padding in front of speech in any case;
  a longer one is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.contracts import TranscriptionRequest, VocabularyTerm
from deployments.errors import InvalidParameter, MissingParameter, UnsupportedParameter
from serve_app.access.plans import Plan
from serve_app.capabilities import ParameterNames, check_request
from serve_app.dialects.errors import invalid
from serve_app.live.contracts import END_SILENCE_S, AudioFormat, Encoding, LiveOptions
from serve_app.live.endpointing import EndpointingSettings
from serve_app.settings import Settings

LOGPROBS = "item.input_audio_transcription.logprobs"
INPUT = "session.audio.input"
FORMAT, TRANSCRIPTION = f"{INPUT}.format", f"{INPUT}.transcription"
TURN_DETECTION, NOISE_REDUCTION = f"{INPUT}.turn_detection", f"{INPUT}.noise_reduction"
_BETA_NAMES = {
    FORMAT: "session.input_audio_format",
    TRANSCRIPTION: "session.input_audio_transcription",
    NOISE_REDUCTION: "session.input_audio_noise_reduction",
    TURN_DETECTION: "session.turn_detection",
}
_BETA_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_ENCODINGS = {"audio/pcm": Encoding.PCM_S16, "audio/pcmu": Encoding.MULAW, "audio/pcma": Encoding.ALAW}
_G711_HZ = 8000
_SPEECH = EndpointingSettings()
_LONGEST_PADDING_MS = round(_SPEECH.preroll_s * 1000)
_DELAYS_S = {"minimal": 0.0, "low": 0.5, "medium": 1.0, "high": 2.0, "xhigh": 4.0}
_NAMES = ParameterNames(
    language=f"{TRANSCRIPTION}.language", candidates=f"{TRANSCRIPTION}.languages", speaker_count="", diarize=""
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Format(_Part):
    """How the audio is written."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: int | None = Field(None, ge=8000, le=48_000)

    @property
    def audio(self) -> AudioFormat:
        """The same for a live session."""
        return AudioFormat(_ENCODINGS[self.type], self.rate or (24_000 if self.type == "audio/pcm" else _G711_HZ))


class Transcription(_Part):
    """What is to be recognised."""

    model: str | None = None
    language: str | None = None
    languages: tuple[str, ...] | None = None
    prompt: str | None = None
    keywords: tuple[str, ...] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class TurnDetection(_Part):
    """When the server commits; the last four fields are for sessions that answer, and are refused by name."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float = Field(_SPEECH.enter_probability, ge=0.02, le=0.99)
    prefix_padding_ms: int = Field(300, ge=0)
    silence_duration_ms: int = Field(round(END_SILENCE_S * 1000), ge=100, le=10_000)
    create_response: bool | None = None
    interrupt_response: bool | None = None
    idle_timeout_ms: int | None = None
    eagerness: str | None = None


class _InputUpdate(_Part):
    format: Format = Format()
    noise_reduction: dict[str, Any] | None = None
    transcription: Transcription | None = Transcription()
    turn_detection: TurnDetection | None = TurnDetection()


class _AudioUpdate(_Part):
    input: _InputUpdate = _InputUpdate()


class _SessionUpdate(_Part):
    type: Literal["transcription"]
    audio: _AudioUpdate = _AudioUpdate()
    include: tuple[Literal["item.input_audio_transcription.logprobs"], ...] | None = None


class RealtimeSession(_Part):
    """The settings of one session. A change makes another one."""

    format: Format = Format()
    transcription: Transcription = Transcription()
    turn_detection: TurnDetection | None = TurnDetection()
    include: tuple[str, ...] = ()

    def updated(self, content: object) -> RealtimeSession:
        """With what the ``session`` of an update says; what it does not mention stays.

        Raises:
            InvalidParameter, MissingParameter, UnsupportedParameter: by the path of the field.
        """
        try:
            update = _SessionUpdate.model_validate(content)
        except ValidationError as error:
            raise _renamed(invalid(error), lambda name: f"session.{name}" if name != "body" else "session") from None
        changes = update.audio.input
        given = changes.model_fields_set
        if changes.noise_reduction is not None:
            raise UnsupportedParameter(NOISE_REDUCTION, "audio is recognised as it comes; it must be null")
        if changes.transcription is None:
            raise UnsupportedParameter(TRANSCRIPTION, "a transcription session has nothing else to do")
        session = RealtimeSession(
            format=changes.format if "format" in given else self.format,
            transcription=_merged(self.transcription, changes.transcription),
            turn_detection=self._turn_detection(changes) if "turn_detection" in given else self.turn_detection,
            include=(update.include or ()) if "include" in update.model_fields_set else self.include,
        )
        session._check()
        return session

    def updated_by_beta(self, content: object) -> RealtimeSession:
        """The same for the flat ``session`` of ``transcription_session.update``, as the beta had it.

        Raises:
            InvalidParameter, MissingParameter, UnsupportedParameter: by the beta's name of the field.
        """
        try:
            return self.updated(_from_beta(content))
        except (InvalidParameter, MissingParameter) as error:
            raise _renamed(error, _beta_name) from None

    def named_by(self, model: str | None) -> RealtimeSession:
        """With the model of the URL."""
        if not model:
            return self
        return self.model_copy(update={"transcription": self.transcription.model_copy(update={"model": model})})

    @property
    def logprobs(self) -> bool:
        """Whether deltas and transcripts carry the words' log probabilities."""
        return LOGPROBS in self.include

    @property
    def padding_s(self) -> float:
        """How far in front of speech an utterance is said to begin."""
        return 0.0 if self.turn_detection is None else self.turn_detection.prefix_padding_ms / 1000

    def to_options(self, request_id: str, plan: Plan, settings: Settings) -> LiveOptions:
        """What a live session is asked.

        Raises:
            UnsupportedParameter: a language that is not spoken here.
        """
        asked, turn = self.transcription, self.turn_detection
        languages = tuple(dict.fromkeys(asked.languages or ()))
        language = asked.language or (languages[0] if len(languages) == 1 else None)
        candidates = languages if language is None else ()
        request = TranscriptionRequest(request_id, language=asked.language, candidates=languages)
        check_request(request, plan, settings.serving(asked.model), _NAMES)
        delay_s = settings.live.partial_interval_s if asked.delay is None else _DELAYS_S[asked.delay]
        options = LiveOptions(
            request_id=request_id,
            audio=self.format.audio,
            language=language,
            candidates=candidates,
            partial_interval_s=max(delay_s, settings.live.partial_interval_s),
            endpointing=turn is not None,
            vocabulary=tuple(VocabularyTerm(keyword.strip()) for keyword in asked.keywords or ()),
            model=asked.model if asked.model in settings.recognizers else None,
        )
        if turn is None:
            return options
        return replace(options, speech_threshold=turn.threshold, end_silence_s=turn.silence_duration_ms / 1000)

    def to_json(self, session_id: str, expires_at: int) -> dict[str, Any]:
        """The session object."""
        return {
            "id": session_id,
            "object": "realtime.transcription_session",
            "type": "transcription",
            "audio": {
                "input": {
                    "format": self._format_json(),
                    "noise_reduction": None,
                    "transcription": self.transcription.model_dump(mode="json"),
                    "turn_detection": self._turn_json(),
                }
            },
            "include": list(self.include) or None,
            "expires_at": expires_at,
        }

    def to_beta_json(self, session_id: str, expires_at: int) -> dict[str, Any]:
        """The session object as the beta had it."""
        spelling = {name: beta for beta, name in _BETA_FORMATS.items()}
        return {
            "id": session_id,
            "object": "realtime.transcription_session",
            "input_audio_format": spelling[self.format.type],
            "input_audio_noise_reduction": None,
            "input_audio_transcription": self.transcription.model_dump(mode="json"),
            "turn_detection": self._turn_json(),
            "include": list(self.include) or None,
            "expires_at": expires_at,
        }

    def _turn_detection(self, changes: _InputUpdate) -> TurnDetection | None:
        turn = changes.turn_detection
        return turn if turn is None or self.turn_detection is None else _merged(self.turn_detection, turn)

    def _format_json(self) -> dict[str, Any]:
        rate = {"rate": self.format.audio.sample_rate_hz} if self.format.type == "audio/pcm" else {}
        return {"type": self.format.type, **rate}

    def _turn_json(self) -> dict[str, Any] | None:
        shown = {"type", "threshold", "prefix_padding_ms", "silence_duration_ms"}
        return None if self.turn_detection is None else self.turn_detection.model_dump(include=shown)

    def _check(self) -> None:
        if self.format.type != "audio/pcm" and self.format.rate not in (None, _G711_HZ):
            raise InvalidParameter(f"{FORMAT}.rate", f"G.711 has {_G711_HZ}")
        asked = self.transcription
        if asked.prompt:
            raise UnsupportedParameter(
                f"{TRANSCRIPTION}.prompt", "the recogniser takes none; keywords are for names and terms"
            )
        if asked.language and asked.languages:
            raise InvalidParameter(f"{TRANSCRIPTION}.languages", "cannot be given together with language")
        if not all(keyword.strip() for keyword in asked.keywords or ()):
            raise InvalidParameter(f"{TRANSCRIPTION}.keywords", "must not be empty")
        if self.turn_detection is not None:
            _check_turns(self.turn_detection)


def _check_turns(turn: TurnDetection) -> None:
    if turn.type != "server_vad":
        raise UnsupportedParameter(f"{TURN_DETECTION}.type", "turns end with silence", ("server_vad",))
    if turn.prefix_padding_ms > _LONGEST_PADDING_MS:
        reason = f"speech is recognised with {_LONGEST_PADDING_MS} ms in front of it, and no more"
        raise UnsupportedParameter(f"{TURN_DETECTION}.prefix_padding_ms", reason)
    for name in ("create_response", "interrupt_response", "idle_timeout_ms", "eagerness"):
        if getattr(turn, name):
            raise UnsupportedParameter(f"{TURN_DETECTION}.{name}", "is not for transcription sessions")


_P = TypeVar("_P", bound=_Part)


def _merged(before: _P, changes: _P) -> _P:
    return before.model_copy(update={name: getattr(changes, name) for name in changes.model_fields_set})


def _from_beta(content: object) -> object:
    """The flat form as the other; what is not known stays where it is, and is refused by its name."""
    if not isinstance(content, Mapping):
        return content
    rest = dict(content)
    fields = {name.rpartition(".")[2]: beta.removeprefix("session.") for name, beta in _BETA_NAMES.items()}
    given = {name: rest.pop(beta) for name, beta in fields.items() if beta in rest}
    if "format" in given:
        spelled = given["format"]
        given["format"] = {"type": _BETA_FORMATS.get(spelled, spelled) if isinstance(spelled, str) else spelled}
    return {"type": "transcription", **rest, "audio": {"input": given}}


def _beta_name(name: str) -> str:
    for path, beta in _BETA_NAMES.items():
        if name == path or name.startswith(f"{path}."):
            return beta if path == FORMAT else beta + name.removeprefix(path)
    return name


def _renamed(
    error: InvalidParameter | MissingParameter, spelling: Callable[[str], str]
) -> InvalidParameter | MissingParameter:
    name = spelling(error.parameter)
    match error:
        case UnsupportedParameter():
            return UnsupportedParameter(name, error.reason, error.supported)
        case InvalidParameter():
            return InvalidParameter(name, error.reason)
        case _:
            return MissingParameter(name)
