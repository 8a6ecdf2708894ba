"""The one tree of settings; ``args`` of a Serve config file is validated into it.

How many replicas each stage has, and on what, is Serve's own business: the ``deployments`` list of the same file.
"""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, Field

from deployments.recognition.engines import recognition_capabilities


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LimitSettings(_Section):
    """What a request may bring, and how long it may take."""

    max_bytes: int = Field(100 * 1024 * 1024, gt=0, description="Size of an uploaded file.")
    max_duration_s: float = Field(7200.0, gt=0, description="Length of the decoded audio.")
    max_decode_s: float = Field(120.0, gt=0, description="Time that decoding one file may take.")
    max_requests: int = Field(
        64, gt=0, description="Requests one ingress replica holds at once, each with its upload in memory."
    )
    request_timeout_s: float = Field(
        1800.0, gt=0, description="Time for a whole request; two hours with speakers take minutes on a laptop."
    )


class SpeechGateSettings(_Section):
    """When a recording is not worth recognising."""

    snr_floor_db: float = Field(
        -10.0, description="Below this signal-to-noise ratio words would be invented rather than heard."
    )


class LanguageSettings(_Section):
    """What the language stage may answer."""

    engine: str = Field("single-language", description="Name of the engine.")
    switch_nats: float = Field(
        4.0, ge=0, description="Evidence that a change of language must bring; 0 lets every region decide alone."
    )


class RecognitionSettings(_Section):
    """Which recogniser runs, and how its batches are formed."""

    engine: str = Field("moonshine-tiny-en", description="Name of the engine.")
    beams: int = Field(4, ge=1, le=16, description="Hypotheses kept while decoding; 1 is fastest.")
    threads: int = Field(1, ge=1, description="Threads inside one batch; slots scale better.")
    slots: int = Field(0, ge=0, description="Batches at once in one replica; 0: one for each processor.")
    max_batch_items: int = Field(8, ge=1, description="On a CPU a larger batch is hardly faster, and takes longer.")
    max_batch_padded_s: float = Field(240.0, gt=0, description="Longest window times items of a batch.")
    max_queued_s: float = Field(4 * 3600.0, gt=0, description="Audio that may wait in one replica.")
    window_s: float | None = Field(
        None, gt=0, description="Longest window; default: the engine's best (docs/benchmarks.md)."
    )
    group_s: float = Field(600.0, gt=0, description="Audio of one request sent to one replica at once.")
    groups_in_flight: int = Field(
        2, ge=1, description="Groups of one request at once; more would take more than a fair share."
    )

    def resolved_slots(self) -> int:
        """Slots, with 0 replaced by the number of processors this process may use."""
        return self.slots or len(os.sched_getaffinity(0))

    def resolved_window_s(self) -> float:
        """The longest window, by default the engine's best."""
        return self.window_s or recognition_capabilities(self.engine).best_window_s


class DiarizationSettings(_Section):
    """How speakers are told apart."""

    threads: int = Field(1, ge=1, description="Threads of one recording.")
    max_speakers: int = Field(20, ge=1, description="The largest num_speakers a request may ask for.")


class Settings(_Section):
    """All of it."""

    profile: str = Field("embedded", description="Shown by health checks and doctor.")
    limits: LimitSettings = LimitSettings()
    speech_gate: SpeechGateSettings = SpeechGateSettings()
    language: LanguageSettings = LanguageSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    diarization: DiarizationSettings = DiarizationSettings()
