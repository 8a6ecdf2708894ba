from __future__ import annotations

from dataclasses import replace

import pytest

from serve_app.engine_settings import RecognitionSettings
from serve_app.live.service import EngineLiveService
from serve_app.settings import LiveSettings, Settings
from tests.fakes.stages import FakeGraph
from tests.serve_app.live.charges import VISIT, Charges
from tests.serve_app.live.test_service import OPTIONS

pytestmark = pytest.mark.engine


async def test_a_client_gets_partial_texts_no_more_often_than_the_settings_allow() -> None:
    service = EngineLiveService(Settings(live=LiveSettings(partial_interval_s=0.8)), FakeGraph().handles(), Charges())
    async with service.open(VISIT, replace(OPTIONS, partial_interval_s=0.0)) as session:
        assert session._listener._settings.interval_s == 0.8


async def test_an_utterance_is_no_longer_than_the_recognisers_window() -> None:
    settings = Settings(recognition=RecognitionSettings(window_s=8.0), live=LiveSettings(max_queued_s=12.0))
    service = EngineLiveService(settings, FakeGraph().handles(), Charges())
    async with service.open(VISIT, OPTIONS) as session:
        assert session._listener._front._endpointer._settings.longest_s == 8.0
        assert session._limits.queued_s == 12.0
