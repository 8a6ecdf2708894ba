"""What clients say of a realtime transcription session, in the API's form and in the flat one of its beta.

The fields that a client may send are those of the models here; anything else is refused by name.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from serve_app.dialects.languages import SpokenLanguage
from serve_app.live.contracts import END_SILENCE_S, AudioFormat, Encoding
from serve_app.live.endpointing import EndpointingSettings
from serve_app.vocabulary_limits import LIMIT_NOTE, MOST_CONTEXT_CHARACTERS, Terms

LOGPROBS = "item.input_audio_transcription.logprobs"
BETA_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
G711_HZ = 8000
SPEECH = EndpointingSettings()
_ENCODINGS = {"audio/pcm": Encoding.PCM_S16, "audio/pcmu": Encoding.MULAW, "audio/pcma": Encoding.ALAW}

_NOISE_REDUCTION = "Must be null: audio is recognised as it comes."
_TURN_DETECTION = "Null: only the client commits."
_INCLUDE = f"`{LOGPROBS}`: one entry per word, the logarithm of its confidence."

Include = tuple[Literal["item.input_audio_transcription.logprobs"], ...]


class Part(BaseModel):
    """Fields that are not named here are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Format(Part):
    """How the audio is written."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = Field(
        "audio/pcm", description="16-bit little-endian PCM, or G.711.", examples=["audio/pcm"]
    )
    rate: int | None = Field(
        None, ge=8000, le=48_000, description="In Hz; PCM has 24000 by default, G.711 always 8000.", examples=[24_000]
    )

    @property
    def audio(self) -> AudioFormat:
        """The same for a live session."""
        return AudioFormat(_ENCODINGS[self.type], self.rate or (24_000 if self.type == "audio/pcm" else G711_HZ))


class Transcription(Part):
    """What is to be recognised."""

    model: str | None = Field(
        None, description="A name from `/v1/models`; any other is the first of that list.", examples=["whisper-1"]
    )
    language: SpokenLanguage | None = Field(
        None, description="ISO 639-1 code; without it the language is found out.", examples=["en"]
    )
    languages: tuple[SpokenLanguage, ...] | None = Field(
        None, fail_fast=True, description="ISO 639-1 codes among which the language is found out.", examples=[["en"]]
    )
    prompt: str | None = Field(
        None,
        max_length=MOST_CONTEXT_CHARACTERS,
        description="What is talked about, for a recogniser that can be biased, and for a language model that polishes "
        "the text. Must be empty where the service has neither; `keywords` are for names and terms.",
        examples=[""],
    )
    keywords: Terms | None = Field(
        None,
        description=f"Names and terms: words that sound like one of them become it. {LIMIT_NOTE}",
        examples=[["Kubernetes"]],
    )
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = Field(
        None,
        description="How seldom the running utterance is looked at: a longer delay gives fewer wrong words.",
        examples=["low"],
    )

    @field_validator("*", mode="before")
    @classmethod
    def _null_where_empty(cls, value: Any) -> Any:
        """Some clients (LiveKit's) send "" for what is to be found out."""
        return None if value in ("", [""]) else value


class TurnDetection(Part):
    """When the server commits; the last four fields are for sessions that answer, and are refused by name."""

    type: Literal["server_vad", "semantic_vad"] = Field(
        "server_vad", description="Turns end with silence; `semantic_vad` is refused.", examples=["server_vad"]
    )
    threshold: float = Field(
        SPEECH.enter_probability, ge=0.02, le=0.99, description="Probability of speech.", examples=[0.5]
    )
    prefix_padding_ms: int = Field(
        300, ge=0, description="How far `audio_start_ms` lies before speech.", examples=[300]
    )
    silence_duration_ms: int = Field(
        round(END_SILENCE_S * 1000), ge=100, le=10_000, description="Silence that ends an utterance.", examples=[500]
    )
    create_response: bool | None = Field(None, description="Must be false or null.", examples=[None])
    interrupt_response: bool | None = Field(None, description="Must be false or null.", examples=[None])
    idle_timeout_ms: int | None = Field(None, description="Must be null.", examples=[None])
    eagerness: str | None = Field(None, description="Must be null.", examples=[None])


class InputUpdate(Part):
    """What comes in."""

    format: Format = Field(Format(), description="How the audio is written.")
    noise_reduction: dict[str, Any] | None = Field(None, description=_NOISE_REDUCTION, examples=[None])
    transcription: Transcription | None = Field(Transcription(), description="What is to be recognised; not null.")
    turn_detection: TurnDetection | None = Field(TurnDetection(), description=_TURN_DETECTION)


class AudioUpdate(Part):
    """Nothing goes out."""

    input: InputUpdate = Field(InputUpdate(), description="What comes in.")


class SessionUpdate(Part):
    """The ``session`` of ``session.update``."""

    type: Literal["transcription"] = Field(
        description="Sessions of this service transcribe, and nothing else.", examples=["transcription"]
    )
    audio: AudioUpdate = Field(AudioUpdate(), description="The audio.")
    include: Include | None = Field(None, fail_fast=True, description=_INCLUDE, examples=[[LOGPROBS]])


class BetaUpdate(Part):
    """The flat ``session`` of ``transcription_session.update``, as the beta had it."""

    modalities: tuple[Literal["text"], ...] = Field(
        ("text",), fail_fast=True, description="Transcription gives text.", examples=[["text"]]
    )
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] = Field(
        "pcm16", description="How the audio is written; PCM has 24 kHz.", examples=["pcm16"]
    )
    input_audio_noise_reduction: dict[str, Any] | None = Field(None, description=_NOISE_REDUCTION, examples=[None])
    input_audio_transcription: Transcription | None = Field(
        Transcription(), description="What is to be recognised; not null."
    )
    turn_detection: TurnDetection | None = Field(TurnDetection(), description=_TURN_DETECTION)
    include: Include | None = Field(None, fail_fast=True, description=_INCLUDE, examples=[[LOGPROBS]])

    def to_update(self) -> SessionUpdate:
        """The same in the API's form."""
        given = {name.removeprefix("input_audio_"): getattr(self, name) for name in self.model_fields_set}
        content = {name: value for name, value in given.items() if name in InputUpdate.model_fields}
        if "format" in content:
            name = BETA_FORMATS[content["format"]]
            # PCM of the beta has one rate, whatever was said before.
            content["format"] = {"type": name, "rate": 24_000 if name == "audio/pcm" else G711_HZ}
        include = {"include": self.include} if "include" in given else {}
        return SessionUpdate(type="transcription", audio=AudioUpdate(input=InputUpdate(**content)), **include)
