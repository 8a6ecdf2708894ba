"""Holds a request against what the profile's engines and the caller's plan can do, before any work is done."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.contracts import TranscriptionRequest, VocabularyTerm
from deployments.errors import FeatureNotInPlan, InvalidParameter, UnsupportedParameter
from deployments.refinement.hints import hint_terms
from serve_app.access.plans import Feature, Plan
from serve_app.live.contracts import LiveOptions
from serve_app.settings import Settings

_SENTENCE_GAP = re.compile(r"(?<=[.!?])\s+|\n")


Asked = TranscriptionRequest | LiveOptions
"""A recording's or a live session's; languages and speakers are asked of both alike."""


@dataclass(frozen=True, slots=True)
class ParameterNames:
    """What a dialect calls the parameters, for the errors."""

    language: str
    speaker_count: str
    diarize: str = "diarize"
    candidates: str = "languages"


def check_request(request: Asked, plan: Plan, settings: Settings, names: ParameterNames) -> None:
    """Refuse what cannot be honoured.

    Raises:
        UnsupportedParameter: the profile's engines cannot do it.
        InvalidParameter: the request contradicts itself.
        FeatureNotInPlan: others may ask for it.
    """
    if request.language is not None:
        check_languages((request.language,), settings, names.language)
    check_languages(request.candidates, settings, names.candidates)
    count = request.speaker_count
    if not request.diarize and (count.exact or count.minimum or count.maximum):
        raise InvalidParameter(names.speaker_count, "needs diarization to be on")
    most = settings.diarization.max_speakers
    for number in (count.exact, count.minimum, count.maximum):
        if number is not None and not 1 <= number <= most:
            raise InvalidParameter(names.speaker_count, f"must be between 1 and {most}")
    if request.diarize and Feature.DIARIZATION not in plan.features:
        raise FeatureNotInPlan(Feature.DIARIZATION.value, names.diarize)


def check_session(session: LiveOptions, plan: Plan, settings: Settings, names: ParameterNames) -> None:
    """Refuse what cannot be honoured while somebody speaks.

    Raises:
        UnsupportedParameter, InvalidParameter, FeatureNotInPlan: see check_request.
    """
    check_request(session, plan, settings, names)
    diarization = settings.diarization
    if session.diarize and not diarization.capabilities().voiceprints:
        reason = f"the engine {diarization.engine} tells speakers apart in files only"
        raise UnsupportedParameter(names.diarize, reason)


def check_languages(asked: Sequence[str], settings: Settings, name: str) -> None:
    """Refuse languages that are not spoken here.

    Raises:
        UnsupportedParameter: the recogniser does not know one of them; it is the parameter of this name.
    """
    known = settings.recognition.capabilities().languages
    for language in asked:
        if language not in known:
            spoken = tuple(sorted(known))
            reason = f"{language!r} is not spoken by the {settings.profile} profile; it knows {', '.join(spoken)}"
            raise UnsupportedParameter(name, reason, spoken)


def possible_languages(language: str | None, candidates: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    """The languages that a recording may be in: the one that is known, or the caller's choice, or all there are."""
    if language is not None:
        return (language,)
    return candidates or tuple(sorted(settings.recognition.capabilities().languages))


def recogniser_hints(vocabulary: Sequence[VocabularyTerm], prompt: str, settings: Settings) -> tuple[str, ...]:
    """What the recogniser is told to listen for; nothing, where it cannot be biased.

    A prompt is told sentence by sentence: engines leave out what does not fit.
    """
    if not settings.recognition.capabilities().biasing:
        return ()
    sentences = (sentence.strip().rstrip(".") for sentence in _SENTENCE_GAP.split(prompt))
    return (*hint_terms(vocabulary), *filter(None, sentences))
