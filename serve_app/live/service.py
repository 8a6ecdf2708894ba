"""Opens live sessions, and meters them however they end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

from deployments import service_log as log
from deployments.contracts import RefinementTask, Vocabulary
from deployments.errors import ServiceUnavailable
from deployments.offload import EngineThreads
from deployments.signals import SILENT, Signals
from deployments.speech_gate.silero import SileroVad
from deployments.tracing import annotate
from serve_app.access.ledger import Receipt
from serve_app.access.pricing import Charge, Outcome
from serve_app.access.visit import Visit
from serve_app.capabilities import possible_languages, recogniser_hints
from serve_app.engine_settings import RecognitionSettings
from serve_app.live.contracts import LiveOptions, SessionEnded
from serve_app.live.endpointing import EndpointingSettings
from serve_app.live.front import AudioFront
from serve_app.live.listener import ListenerSettings
from serve_app.live.polishing import StagePolish
from serve_app.live.recognizing import HearingTask, StageHearing
from serve_app.live.session import EngineSession, SessionLimits
from serve_app.live.signals import LiveSignals
from serve_app.live.voice_activity import StreamingVad
from serve_app.pipeline import StageHandles
from serve_app.settings import Settings

# Beside the event loop, for audio in large messages and for the noise of an utterance: both are short.
_THREADS = 2


class Charges(Protocol):
    """The usage ledger, as a session sees it. A request is charged once, however often it is told."""

    async def record(self, visit: Visit, charge: Charge) -> Receipt:
        """Write a charge down.

        Raises:
            ServiceUnavailable: it could not be.
        """
        ...

    def note(self, visit: Visit, charge: Charge) -> None:
        """The same beside what goes on; returns at once, also in a cancelled task."""
        ...


class EngineLiveService:
    """Implements LiveService over the stages. One for a process; its sessions share the VAD's network and threads.

    A session that ends as it should is charged for all of its audio, if anything was said in it. One that is left
    early, or that fails, is charged up to the last words that its client got.
    """

    def __init__(self, settings: Settings, stages: StageHandles, charges: Charges, signals: Signals = SILENT) -> None:
        self._settings = settings
        self._stages = stages
        self._charges = charges
        self._vad = SileroVad()
        self._threads = EngineThreads(_THREADS)
        self._signals = LiveSignals(signals)

    @contextlib.asynccontextmanager
    async def open(self, visit: Visit, options: LiveOptions) -> AsyncIterator[EngineSession]:
        """See LiveService."""
        annotate(session_id=options.request_id)
        with self._signals.open(), log.bound(session=options.request_id):
            session = self._session(visit, options)
            begun_s = time.monotonic()
            try:
                async with session:
                    yield session
            finally:
                self._tell(visit, session, time.monotonic() - begun_s)
                if not session.has_settled:
                    usage = session.usage
                    outcome = _outcome_of(session.failure)
                    self._charges.note(visit, _charge(visit, options, usage.audio_s, usage.answered_s, outcome))

    def _tell(self, visit: Visit, session: EngineSession, lasted_s: float) -> None:
        audio_s = session.usage.audio_s
        outcome = self._signals.ended(audio_s, session.failure, has_settled=session.has_settled)
        log.info(
            "live session",
            outcome=outcome,
            seconds=round(lasted_s, 3),
            audio_s=round(audio_s, 3),
            dialect=visit.dialect,
            key=visit.caller.key_id,
        )

    def _session(self, visit: Visit, options: LiveOptions) -> EngineSession:
        async def settle(ended: SessionEnded) -> SessionEnded:
            charge = _charge(visit, options, ended.audio_s, ended.billable_s, Outcome.NO_SPEECH)
            receipt = await self._charges.record(visit, charge)
            return replace(ended, cost_micros=receipt.cost.total_micros)

        settings = self._settings.serving(options.model)
        stages = self._stages.serving(options.model)
        live = settings.live
        vocabulary = Vocabulary.of(options.vocabulary)
        return EngineSession(
            options.audio,
            SessionLimits(longest_s=live.max_session_s, queued_s=live.max_queued_s),
            ListenerSettings(
                partials=options.partials,
                interval_s=max(options.partial_interval_s, live.partial_interval_s),
                max_words=options.max_words,
                snr_floor_db=settings.speech_gate.snr_floor_db,
                speakers=options.speaker_count if options.diarize else None,
            ),
            front=AudioFront(
                options.audio, live.max_queued_s, StreamingVad(self._vad), _endpointing(options, settings.recognition)
            ),
            hear=StageHearing(
                stages,
                HearingTask(
                    languages=possible_languages(options.language, options.candidates, settings),
                    punctuate=options.punctuate,
                    vocabulary=vocabulary,
                    numerals=options.numerals,
                    timeout_s=live.utterance_timeout_s,
                    voices=options.diarize,
                    hints=recogniser_hints(options.vocabulary, options.prompt, settings),
                    context=options.context if settings.refinement.llm is None else None,
                ),
            ),
            threads=self._threads,
            settle=settle,
            polish=self._polish(options, vocabulary),
            signals=self._signals,
        )

    def _polish(self, options: LiveOptions, vocabulary: Vocabulary) -> StagePolish | None:
        llm = self._settings.refinement.llm
        if options.context is None or llm is None:
            return None
        task = RefinementTask(vocabulary=vocabulary, context=options.context, polish_timeout_s=llm.timeout_s)
        return StagePolish(self._stages, task)


def _endpointing(options: LiveOptions, recognition: RecognitionSettings) -> EndpointingSettings:
    endpointing = EndpointingSettings()
    if options.speech_threshold is not None:
        endpointing = endpointing.with_threshold(options.speech_threshold)
    return replace(
        endpointing,
        end_silence_s=options.end_silence_s,
        silence_ends_utterances=options.endpointing,
        longest_s=min(endpointing.longest_s, recognition.resolved_window_s()),
    )


def _charge(visit: Visit, options: LiveOptions, audio_s: float, billable_s: float, otherwise: Outcome) -> Charge:
    """What a session is worth; one that gave its client no words is worth nothing, and its outcome is the other."""
    outcome = Outcome.COMPLETED if billable_s > 0 else otherwise
    return Charge.of(
        visit, options.request_id, outcome, audio_s=audio_s, billable_s=billable_s, diarized=options.diarize
    )


def _outcome_of(failure: Exception | None) -> Outcome:
    if failure is None:
        return Outcome.CANCELLED
    return Outcome.UNAVAILABLE if isinstance(failure, ServiceUnavailable) else Outcome.FAILED
