"""Holds a request against what the profile's engines can do, before any work is done."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.contracts import TranscriptionRequest
from deployments.errors import InvalidParameter, UnsupportedParameter
from deployments.recognition.engines import recognition_capabilities
from serve_app.settings import Settings


@dataclass(frozen=True, slots=True)
class ParameterNames:
    """What a dialect calls the parameters, for the errors."""

    language: str
    speaker_count: str


def check_request(request: TranscriptionRequest, settings: Settings, names: ParameterNames) -> None:
    """Refuse what cannot be honoured.

    Raises:
        UnsupportedParameter: the profile's engines cannot do it.
        InvalidParameter: the request contradicts itself.
    """
    languages = recognition_capabilities(settings.recognition.engine).languages
    if request.language is not None and request.language not in languages:
        known = tuple(sorted(languages))
        raise UnsupportedParameter(
            names.language,
            f"{request.language!r} is not spoken by the {settings.profile} profile; it knows {', '.join(known)}",
            known,
        )
    count = request.speaker_count
    if not request.diarize and (count.exact or count.minimum or count.maximum):
        raise InvalidParameter(names.speaker_count, "needs diarization to be on")
    most = settings.diarization.max_speakers
    for number in (count.exact, count.minimum, count.maximum):
        if number is not None and not 1 <= number <= most:
            raise InvalidParameter(names.speaker_count, f"must be between 1 and {most}")
