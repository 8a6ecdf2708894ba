"""What a Waves socket is asked: the query string of its handshake.

Source: the vendor's AsyncAPI document and SDK. As for recordings, a parameter that the profile cannot honour is refused
when it is on, and those that nobody documents are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.datastructures import QueryParams

from deployments.contracts import VocabularyTerm
from deployments.errors import InvalidParameter, UnsupportedParameter
from deployments.refinement.numerals import LANGUAGES as NUMERAL_LANGUAGES
from serve_app.dialects.smallest_waves_query import Flag, Language, fields_of, spoken
from serve_app.dialects.weighted_terms import listed, weighted_term
from serve_app.live.contracts import END_SILENCE_S, AudioFormat, Encoding, LiveOptions
from serve_app.vocabulary_limits import limited

_ENCODINGS = {
    "linear16": Encoding.PCM_S16,
    "linear32": Encoding.PCM_S32,
    "alaw": Encoding.ALAW,
    "mulaw": Encoding.MULAW,
    "opus": Encoding.OPUS,
    "ogg_opus": Encoding.OGG_OPUS,
}
_RATES_HZ = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)

# The vendor's neutral boost is 1, that of VocabularyTerm is 1.5; both scales are multiplied.
_WEIGHT_OF_BOOST = 1.5


@dataclass(frozen=True, slots=True)
class PathDefaults:
    """Where a path's defaults differ: without ``model`` it has to be given."""

    model: str | None = None
    word_timestamps: bool = False


def _known_rate(rate_hz: int) -> int:
    if rate_hz not in _RATES_HZ:
        raise PydanticCustomError("rate", f"must be one of {', '.join(map(str, _RATES_HZ))}")
    return rate_hz


class WavesLiveQuery(BaseModel):
    """The query string, with the vendor's names and defaults."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    language: Language = "multi"
    encoding: Literal["linear16", "linear32", "alaw", "mulaw", "opus", "ogg_opus"] = "linear16"
    sample_rate: Annotated[int, AfterValidator(_known_rate)] = 16_000
    word_timestamps: Flag = False
    sentence_timestamps: Flag = False
    full_transcript: Flag = False
    diarize: Flag = False
    vad_events: Flag | None = None
    vad: Flag | None = None
    vad_threshold: float | None = Field(None, ge=0.02, le=0.99)
    vad_min_speech_ms: int | None = None
    endpointing: Flag = True
    eou_timeout_ms: int = Field(round(END_SILENCE_S * 1000), ge=100, le=10_000)
    finalize_on_words: Flag = True
    max_words: int | None = Field(None, ge=1)
    format: Flag = True
    punctuate: Flag = True
    capitalize: Flag = True
    itn_normalize: Flag = False
    numerals: Literal["true", "false", "auto"] = "auto"
    keywords: str = ""
    redact_pii: str = "false"
    redact_pci: str = "false"
    external_session_id: str | None = Field(None, max_length=128, pattern=r"^[a-zA-Z0-9_\-.]+$")

    @property
    def tells_speech(self) -> bool:
        """Whether speech_started and speech_ended are wanted; ``vad`` is the older name."""
        return bool(self.vad if self.vad_events is None else self.vad_events)

    def written(self, text: str) -> str:
        """Text in the casing that was asked for."""
        return text if self.capitalize and self.format else text.lower()

    @property
    def writes_numerals(self) -> bool:
        """Whether finals have numbers in digits. ``numerals`` is the older name, and ``auto`` leaves it to the other.

        ``format=false`` turns it off, as it turns punctuation and capitals off.
        """
        return self.format and (self.itn_normalize if self.numerals == "auto" else self.numerals == "true")

    def to_options(self, request_id: str) -> LiveOptions:
        """What the session is asked.

        Raises:
            InvalidParameter: keywords that cannot be read, or are too many.
        """
        language, candidates = spoken(self.language)
        return LiveOptions(
            request_id=request_id,
            audio=AudioFormat(_ENCODINGS[self.encoding], self.sample_rate),
            language=language,
            candidates=candidates,
            punctuate=self.punctuate and self.format,
            endpointing=self.endpointing,
            end_silence_s=self.eou_timeout_ms / 1000,
            speech_threshold=self.vad_threshold,
            max_words=self.max_words if self.finalize_on_words else None,
            diarize=self.diarize,
            vocabulary=_vocabulary(self.keywords),
            numerals=self.writes_numerals,
        )

    @property
    def _is_language_without_numerals(self) -> bool:
        language, candidates = spoken(self.language)
        possible = candidates if language is None else (language,)
        return bool(possible) and NUMERAL_LANGUAGES.isdisjoint(possible)

    def check(self) -> None:
        """Refuse what cannot be honoured.

        Raises:
            UnsupportedParameter: a valid wish that this service does not fulfil.
            InvalidParameter: no model.
        """
        if self.model is None:
            raise InvalidParameter("model", "is required; the live model is pulse")
        if self.model != "pulse":
            raise UnsupportedParameter("model", "only pulse is live", ("pulse",))
        for name in ("redact_pii", "redact_pci"):
            if getattr(self, name) not in ("", "false"):
                raise UnsupportedParameter(name, "no engine of this profile does it")
        if self.writes_numerals and self._is_language_without_numerals:
            name = "itn_normalize" if self.numerals == "auto" else "numerals"
            reason = f"numbers are not normalised in {self.language!r}"
            raise UnsupportedParameter(name, reason, tuple(sorted(NUMERAL_LANGUAGES)))
        if self.vad_min_speech_ms is not None:
            raise UnsupportedParameter("vad_min_speech_ms", "only vad_threshold can be set")


def read_query(query: QueryParams, defaults: PathDefaults) -> WavesLiveQuery:
    """The query string, checked.

    Raises:
        pydantic.ValidationError, InvalidParameter: see WavesLiveQuery.check.
    """
    fields = fields_of(query, WavesLiveQuery, defaults.model)
    read = WavesLiveQuery.model_validate({"word_timestamps": defaults.word_timestamps, **fields})
    read.check()
    return read


def _vocabulary(keywords: str) -> tuple[VocabularyTerm, ...]:
    boosted = (weighted_term(entry, default=1.0) for entry in listed(keywords))
    terms = (VocabularyTerm(term.text, _WEIGHT_OF_BOOST * term.weight) for term in boosted)
    return tuple(limited("keywords", terms))
