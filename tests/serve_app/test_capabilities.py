from __future__ import annotations

import pytest

from deployments.contracts import SpeakerCount, TranscriptionRequest
from deployments.errors import FeatureNotInPlan, InvalidParameter, UnsupportedParameter
from serve_app.access.plans import UNLIMITED, Plan
from serve_app.capabilities import Asked, ParameterNames, check_request, check_session
from serve_app.engine_settings import DiarizationSettings
from serve_app.live.contracts import LiveOptions
from serve_app.settings import Settings

pytestmark = pytest.mark.unit

NAMES = ParameterNames(language="in.language", candidates="in.any", speaker_count="in.count", diarize="in.speakers")
PYANNOTE = Settings(
    diarization=DiarizationSettings(engine="pyannote", checkpoint="pyannote/speaker-diarization-community-1")
)


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        (LiveOptions("", language="tlh"), "in.language"),
        (LiveOptions("", candidates=("en", "tlh")), "in.any"),
        (LiveOptions("", speaker_count=SpeakerCount(exact=2)), "in.count"),
        (TranscriptionRequest("", diarize=True, speaker_count=SpeakerCount(maximum=21)), "in.count"),
        (TranscriptionRequest("", diarize=True, speaker_count=SpeakerCount(minimum=0)), "in.count"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_the_dialects_own_names(asked: Asked, parameter: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_request(asked, UNLIMITED, Settings(), NAMES)
    assert caught.value.parameter == parameter


def test_speakers_need_the_plan() -> None:
    with pytest.raises(FeatureNotInPlan) as caught:
        check_session(LiveOptions("", diarize=True), Plan(features=frozenset()), Settings(), NAMES)
    assert caught.value.parameter == "in.speakers"


def test_speakers_of_a_session_need_an_engine_that_knows_voices() -> None:
    asked = LiveOptions("", diarize=True)
    check_request(asked, UNLIMITED, PYANNOTE, NAMES)
    with pytest.raises(UnsupportedParameter) as caught:
        check_session(asked, UNLIMITED, PYANNOTE, NAMES)
    assert caught.value.parameter == "in.speakers"
