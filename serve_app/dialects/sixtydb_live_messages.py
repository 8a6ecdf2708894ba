"""What clients of 60db's ``/ws/stt`` say, and what a session is asked for it. Pure.

Sources: the vendor's documents and skill, its LiveKit plugin, and seven public clients. What they leave open:

* ``audio_enhancement``: no profile enhances audio. ``off`` is what happens; ``adaptive`` leaves the decision to the
  service and gets a warning, because every published example sends it; ``light`` asks for it, and is refused.
* ``context``: see sixtydb_context.
* Fields that no document names are left out, and a warning says so.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import from_json

from deployments.contracts import SpeakerCount, TranscriptionWarning
from deployments.errors import InvalidParameter, UnsupportedParameter
from serve_app.access.plans import Plan
from serve_app.capabilities import ParameterNames, check_session
from serve_app.dialects.languages import SpokenLanguage
from serve_app.dialects.sixtydb import larger_count, speaker_count
from serve_app.dialects.sixtydb_context import Context, heeded
from serve_app.live.contracts import END_SILENCE_S, AudioFormat, Encoding, LiveOptions
from serve_app.settings import Settings

_TELEPHONE_HZ = 8000
_BROWSER_HZ = 16_000
_MOST_LANGUAGES = 5
_SHORTEST_MS = 300
_LONGEST_MS = 10_000
_MOST_NAMED = 10
_ENCODINGS = {"linear": Encoding.PCM_S16, "mulaw": Encoding.MULAW}

Languages = Annotated[
    tuple[SpokenLanguage, ...] | None, BeforeValidator(lambda languages: None if languages == [""] else languages)
]
"""ISO 639-1 codes; None, or one that is empty: find out among all."""

Warnings = list[dict[str, str]]
"""What was left out: a code for programs and a sentence for people each."""


def written_warning(warning: TranscriptionWarning) -> dict[str, str]:
    """A warning as messages have it."""
    return {"code": warning.code.value, "message": warning.message}


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class StartConfig(_Message):
    """How the audio is sent, and what is to be said about it. Null is the same as nothing, but for partial texts."""

    model_config = ConfigDict(extra="allow", frozen=True)

    encoding: Literal["linear", "mulaw"] = "linear"
    sample_rate: Literal[8000, 16000, 24000, 44100, 48000] | None = None
    utterance_end_ms: int = Field(round(END_SILENCE_S * 1000), ge=_SHORTEST_MS, le=_LONGEST_MS)
    interim_results_frequency: int | None = Field(500, ge=_SHORTEST_MS, le=_LONGEST_MS)
    continuous_mode: bool = True
    audio_enhancement: Literal["off", "light", "adaptive"] = "off"
    diarize: bool = False
    min_speakers: int | None = None
    max_speakers: int | None = None

    @property
    def audio(self) -> AudioFormat:
        """What the client sends."""
        default_hz = _TELEPHONE_HZ if self.encoding == "mulaw" else _BROWSER_HZ
        return AudioFormat(_ENCODINGS[self.encoding], self.sample_rate or default_hz)

    @property
    def speaker_count(self) -> SpeakerCount:
        """How many people speak; only read with ``diarize``."""
        return speaker_count(self.min_speakers, self.max_speakers, "config.") if self.diarize else SpeakerCount()

    def names(self) -> ParameterNames:
        """Those of the errors, in ``start``."""
        return ParameterNames(
            language="languages",
            candidates="languages",
            diarize="config.diarize",
            speaker_count=f"config.{larger_count(self.max_speakers)}",
        )


class Start(_Message):
    """Begins a session."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Literal["start"] = "start"
    languages: Languages = Field(None, max_length=_MOST_LANGUAGES, fail_fast=True)
    context: Context | None = None
    config: StartConfig = StartConfig()

    @field_validator("config", mode="before")
    @classmethod
    def _without_nulls(cls, config: Any) -> Any:
        if not isinstance(config, Mapping):
            return {} if config is None else config
        return {name: value for name, value in config.items() if value is not None or name.startswith("interim")}

    def to_options(self, request_id: str, plan: Plan, settings: Settings) -> tuple[LiveOptions, Warnings]:
        """What a session is asked, and what was left out.

        Raises:
            UnsupportedParameter: the profile cannot do it.
            InvalidParameter: fields contradict each other.
            FeatureNotInPlan: others may ask for it.
        """
        language, candidates = _asked_languages(self.languages)
        self._check_audio(settings.profile)
        context = heeded(self.context, plan, settings)
        interval_ms = self.config.interim_results_frequency
        options = LiveOptions(
            request_id=request_id,
            audio=self.config.audio,
            language=language,
            candidates=candidates,
            partials=interval_ms is not None,
            # The service says how often it can be asked; session_started says what came of it.
            partial_interval_s=max((interval_ms or 0) / 1000, settings.live.partial_interval_s),
            end_silence_s=self.config.utterance_end_ms / 1000,
            diarize=self.config.diarize,
            speaker_count=self.config.speaker_count,
            vocabulary=context.vocabulary,
            context=context.refinement,
            numerals=True,
        )
        check_session(options, plan, settings, self.config.names())
        return options, [*self._warnings(settings.profile), *map(written_warning, context.warnings)]

    def _check_audio(self, profile: str) -> None:
        if self.config.audio_enhancement == "light":
            reason = f"the {profile} profile does not enhance audio"
            raise UnsupportedParameter("config.audio_enhancement", reason, ("off",))

    def _warnings(self, profile: str) -> Warnings:
        unknown = [*(self.model_extra or ()), *(f"config.{name}" for name in self.config.model_extra or ())]
        messages = [f"{name} is not a field of start: it was left out" for name in unknown[:_MOST_NAMED]]
        if len(unknown) > _MOST_NAMED:
            messages.append(f"{len(unknown) - _MOST_NAMED} more fields are not of start: they were left out")
        warnings = [{"code": "unknown_field", "message": message} for message in messages]
        if self.config.audio_enhancement == "adaptive":
            message = f"The {profile} profile does not enhance audio: it is recognised as it comes"
            warnings.append({"code": "audio_enhancement_unavailable", "message": message})
        return warnings


TELEPHONY = Start(config=StartConfig(encoding="mulaw", sample_rate=_TELEPHONE_HZ))
"""What a binary message in front of any ``start`` stands for."""


class Audio(_Message):
    """More audio, in base64; what is said about its form must be what ``start`` said."""

    type: Literal["audio"]
    audio: str
    encoding: Literal["linear", "mulaw"] | None = None
    sample_rate: int | None = None

    def samples(self, asked: AudioFormat) -> bytes:
        """The bytes.

        Raises:
            InvalidParameter: no base64, or not the form that was agreed on.
        """
        if self.encoding is not None and _ENCODINGS[self.encoding] is not asked.encoding:
            raise InvalidParameter("encoding", "is not the one that start named")
        if self.sample_rate is not None and self.sample_rate != asked.sample_rate_hz:
            raise InvalidParameter("sample_rate", f"is not {asked.sample_rate_hz}, which start asked for")
        try:
            return base64.b64decode(self.audio, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidParameter("audio", "is not base64") from None


class Config(_Message):
    """Changes a running session."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["config"]
    languages: Languages = Field(None, max_length=_MOST_LANGUAGES, fail_fast=True)
    continuous_mode: bool | None = None


class Test(_Message):
    """Asks for a sign of life."""

    type: Literal["test"]


class Stop(_Message):
    """No more audio."""

    type: Literal["stop"]


ClientMessage = Start | Audio | Config | Test | Stop
_KINDS: Mapping[str, type[ClientMessage]] = {
    "start": Start,
    "audio": Audio,
    "config": Config,
    "test": Test,
    "stop": Stop,
}


def read(text: str) -> ClientMessage:
    """A text message.

    Raises:
        InvalidParameter: no JSON object, or of no kind that this API knows.
        pydantic.ValidationError: a field is missing, or not what it should be.
    """
    try:
        content = from_json(text)
    except ValueError:
        raise InvalidParameter("message", "is not JSON") from None
    if not isinstance(content, dict):
        raise InvalidParameter("message", "is not a JSON object")
    kind = content.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidParameter("type", f"must be one of {', '.join(_KINDS)}")
    return _KINDS[kind].model_validate(content)


def _asked_languages(languages: Languages) -> tuple[str | None, tuple[str, ...]]:
    """The language where there is one, and otherwise the candidates."""
    distinct = tuple(dict.fromkeys(languages or ()))
    return (distinct[0], ()) if len(distinct) == 1 else (None, distinct)
