"""What a realtime transcription session is set to: updates in, options of a live session out. Pure.

A session is described by what OpenAI calls its session object. Where this service differs from the vendor's:

* Any ``model`` is taken: clients are set up with many. One that ``/v1/models`` does not list is the first of that list.
* ``audio/pcm`` may have any rate from 8 to 48 kHz; the vendor takes 24 kHz only.
* ``delay`` is how seldom the running utterance is looked at. Text is sent when two looks agree on it, so a longer delay
  gives text that is more often right, as the vendor describes it.
* ``prefix_padding_ms`` moves ``audio_start_ms``. The recogniser hears its own padding in front of speech in any case;
  a longer one is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from deployments.contracts import VocabularyTerm
from deployments.errors import FeatureNotInPlan, InvalidParameter, MissingParameter, UnsupportedParameter
from serve_app.access.plans import Plan
from serve_app.capabilities import ParameterNames, check_session
from serve_app.dialects.errors import invalid
from serve_app.dialects.openai.prompts import context_of
from serve_app.dialects.openai.realtime_parts import (
    BETA_FORMATS,
    G711_HZ,
    LOGPROBS,
    SPEECH,
    BetaUpdate,
    Format,
    InputUpdate,
    Part,
    SessionUpdate,
    Transcription,
    TurnDetection,
)
from serve_app.live.contracts import LiveOptions
from serve_app.settings import Settings

INPUT = "session.audio.input"
FORMAT, TRANSCRIPTION = f"{INPUT}.format", f"{INPUT}.transcription"
TURN_DETECTION, NOISE_REDUCTION = f"{INPUT}.turn_detection", f"{INPUT}.noise_reduction"
_BETA_NAMES = {
    FORMAT: "session.input_audio_format",
    TRANSCRIPTION: "session.input_audio_transcription",
    NOISE_REDUCTION: "session.input_audio_noise_reduction",
    TURN_DETECTION: "session.turn_detection",
}
# In this order: without turn detection its fields say nothing.
_FIELDS_OF_OPTIONS = {
    "audio": FORMAT,
    "endpointing": TURN_DETECTION,
    "speech_threshold": f"{TURN_DETECTION}.threshold",
    "end_silence_s": f"{TURN_DETECTION}.silence_duration_ms",
    "model": f"{TRANSCRIPTION}.model",
    "language": f"{TRANSCRIPTION}.language",
    "candidates": f"{TRANSCRIPTION}.languages",
    "vocabulary": f"{TRANSCRIPTION}.keywords",
    "prompt": f"{TRANSCRIPTION}.prompt",
    "context": f"{TRANSCRIPTION}.prompt",
    "partial_interval_s": f"{TRANSCRIPTION}.delay",
}
_LONGEST_PADDING_MS = round(SPEECH.preroll_s * 1000)
_DELAYS_S = {"minimal": 0.0, "low": 0.5, "medium": 1.0, "high": 2.0, "xhigh": 4.0}


class RealtimeSettings(Part):
    """The settings of one session. A change makes another one."""

    format: Format = Format()
    transcription: Transcription = Transcription()
    turn_detection: TurnDetection | None = TurnDetection()
    include: tuple[str, ...] = ()

    def updated(self, update: SessionUpdate) -> RealtimeSettings:
        """With what an update says; what it does not mention stays.

        Raises:
            InvalidParameter, UnsupportedParameter: by the path of the field.
        """
        changes = update.audio.input
        given = changes.model_fields_set
        if changes.noise_reduction is not None:
            raise UnsupportedParameter(NOISE_REDUCTION, "audio is recognised as it comes; it must be null")
        if changes.transcription is None:
            raise UnsupportedParameter(TRANSCRIPTION, "a transcription session has nothing else to do")
        settings = RealtimeSettings(
            format=self._format(changes.format) if "format" in given else self.format,
            transcription=_merged(self.transcription, changes.transcription),
            turn_detection=self._turn_detection(changes) if "turn_detection" in given else self.turn_detection,
            include=(update.include or ()) if "include" in update.model_fields_set else self.include,
        )
        settings._check()
        return settings

    def stored(self) -> str:
        """What ``RealtimeSettings.model_validate_json`` reads, also in an older process of a service being updated."""
        return self.model_dump_json(exclude_defaults=True)

    def named_by(self, model: str | None) -> RealtimeSettings:
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
            UnsupportedParameter: a language that is not spoken here, or a prompt that nothing can use.
            FeatureNotInPlan: a prompt that others may give.
        """
        asked, turn = self.transcription, self.turn_detection
        languages = tuple(dict.fromkeys(asked.languages or ()))
        language = asked.language or (languages[0] if len(languages) == 1 else None)
        candidates = languages if language is None else ()
        serving = settings.serving(asked.model)
        prompt = (asked.prompt or "").strip()
        delay_s = settings.live.partial_interval_s if asked.delay is None else _DELAYS_S[asked.delay]
        options = LiveOptions(
            request_id=request_id,
            audio=self.format.audio,
            language=language,
            candidates=candidates,
            partial_interval_s=max(delay_s, settings.live.partial_interval_s),
            endpointing=turn is not None,
            vocabulary=tuple(VocabularyTerm(keyword.strip()) for keyword in asked.keywords or ()),
            context=context_of(prompt, f"{TRANSCRIPTION}.prompt", plan, serving),
            prompt=prompt,
            model=asked.model if asked.model in settings.recognizers else None,
        )
        blamed = f"{TRANSCRIPTION}.{'languages' if asked.language is None else 'language'}"
        names = ParameterNames(language=blamed, candidates=blamed, speaker_count="", diarize="")
        check_session(options, plan, serving, names)
        if turn is None:
            return options
        return replace(options, speech_threshold=turn.threshold, end_silence_s=turn.silence_duration_ms / 1000)

    def to_json(self, session_id: str, expires_at: int | None) -> dict[str, Any]:
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

    def to_beta_json(self, session_id: str, expires_at: int | None) -> dict[str, Any]:
        """The session object as the beta had it."""
        spelling = {name: beta for beta, name in BETA_FORMATS.items()}
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

    def _format(self, changes: Format) -> Format:
        # The rate is that of a type.
        return _merged(self.format, changes) if changes.type == self.format.type else changes

    def _turn_detection(self, changes: InputUpdate) -> TurnDetection | None:
        turn = changes.turn_detection
        return turn if turn is None or self.turn_detection is None else _merged(self.turn_detection, turn)

    def _format_json(self) -> dict[str, Any]:
        rate = {"rate": self.format.audio.sample_rate_hz} if self.format.type == "audio/pcm" else {}
        return {"type": self.format.type, **rate}

    def _turn_json(self) -> dict[str, Any] | None:
        shown = {"type", "threshold", "prefix_padding_ms", "silence_duration_ms"}
        return None if self.turn_detection is None else self.turn_detection.model_dump(include=shown)

    def _check(self) -> None:
        if self.format.type != "audio/pcm" and self.format.rate not in (None, G711_HZ):
            raise InvalidParameter(f"{FORMAT}.rate", f"G.711 has {G711_HZ}")
        asked = self.transcription
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


def check_unchanged(before: LiveOptions, after: LiveOptions) -> None:
    """What a session hears by cannot change while it hears.

    Raises:
        UnsupportedParameter: it would; by the path of the field.
    """
    for option, path in _FIELDS_OF_OPTIONS.items():
        if getattr(before, option) != getattr(after, option):
            raise UnsupportedParameter(path, "cannot change once audio is heard: open another session")


def read_update(content: object) -> SessionUpdate:
    """The ``session`` of ``session.update``.

    Raises:
        InvalidParameter, MissingParameter: by the path of the field.
    """
    return _read(SessionUpdate, content)


def read_beta_update(content: object) -> SessionUpdate:
    """The same of ``transcription_session.update``; by the beta's paths."""
    return _read(BetaUpdate, content).to_update()


@contextlib.contextmanager
def spelled(spelling: Callable[[str], str]) -> Iterator[None]:
    """Errors that leave the block name their parameter in another way."""
    try:
        yield
    except UnsupportedParameter as error:
        raise UnsupportedParameter(spelling(error.parameter), error.reason, error.supported) from None
    except InvalidParameter as error:
        raise InvalidParameter(spelling(error.parameter), error.reason) from None
    except MissingParameter as error:
        raise MissingParameter(spelling(error.parameter)) from None
    except FeatureNotInPlan as error:
        raise FeatureNotInPlan(error.feature, spelling(error.parameter)) from None


def beta_name(name: str) -> str:
    """What the beta called the field of a path."""
    for path, beta in _BETA_NAMES.items():
        if name == path or name.startswith(f"{path}."):
            return beta if path == FORMAT else beta + name.removeprefix(path)
    return name


_M = TypeVar("_M", bound=BaseModel)


def _read(model: type[_M], content: object) -> _M:
    with spelled(lambda name: f"session.{name}" if name != "body" else "session"):
        try:
            return model.model_validate(content)
        except ValidationError as error:
            raise invalid(error) from None


_P = TypeVar("_P", bound=Part)


def _merged(before: _P, changes: _P) -> _P:
    return before.model_copy(update={name: getattr(changes, name) for name in changes.model_fields_set})
