"""The pipeline of pyannote community-1 with a shared embedding trunk, whatever runs the networks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from deployments import contracts
from deployments.diarization.clustering import NOBODY, ClusteringSettings, Labels, assign_speakers
from deployments.diarization.community1 import PldaWeights
from deployments.diarization.embedding import Floats
from deployments.diarization.reconstruction import speaker_activity, speaker_turns
from deployments.diarization.segmentation import FRAME_STEP_SAMPLES, WINDOW_SAMPLES, LocalActivity
from deployments.stopping import ShouldStop, never

LEAST_VOICE_S = 0.3
"""Less speech has no voiceprint: from 0.1 s on, live utterances of 0.4 % more speech were named, half of it wrongly."""


class Segmenter(Protocol):
    """The segmentation network over sliding windows."""

    def segment(self, samples: contracts.Samples, step_frames: int, should_stop: ShouldStop) -> LocalActivity:
        """Run over a recording of at least one sample, with a window every step_frames.

        Raises:
            errors.Cancelled: should_stop turned true.
        """
        ...


class VoiceEmbedder(Protocol):
    """The embedding network for all local speakers of all windows."""

    def embed(self, samples: contracts.Samples, activity: LocalActivity, should_stop: ShouldStop) -> Floats:
        """Embed each local speaker where it speaks alone, or, where it never does, wherever it speaks.

        Returns:
            [windows, 3, 256]; NaN for a local speaker that says nothing.

        Raises:
            errors.Cancelled: should_stop turned true.
        """
        ...


@dataclass(frozen=True, slots=True)
class SharedTrunkSettings:
    """What may be tuned without another network.

    Attributes:
        step_s: between windows. Segmentation is half of the cost at 1 s. DER on 19 recordings with 1, 1.5, 2 s:
            18.2, 18.8, 18.9 %; on 13 other dialogues, joined from clips of known readers: 24.6, 23.9, 25.4 %.
        clustering: thresholds, at a step of 1 s.
        min_pause_s: a speaker's shorter pauses do not end a turn. pyannote has 0, which its scoring favours;
            people who mark turns pass over short pauses: 0.5 s takes 1.8 points off the DER.
    """

    step_s: float = 1.5
    clustering: ClusteringSettings = field(default_factory=ClusteringSettings)
    min_pause_s: float = 0.5


class SharedTrunkDiarizer:
    """Who speaks when, for whole recordings, and what a voice is like, for single utterances.

    Calls from several threads do not wait for each other.

    The pipeline of pyannote.audio 4 (Bredin 2023; VBx clustering of Landini et al. 2022): segment ten-second
    windows, embed each window's local speakers, cluster the voices, and let the windows vote on each frame.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        embedder: VoiceEmbedder,
        plda: PldaWeights,
        settings: SharedTrunkSettings | None = None,
    ) -> None:
        settings = settings or SharedTrunkSettings()
        self._segmenter = segmenter
        self._embedder = embedder
        self._plda = plda
        self._step_frames = max(1, round(settings.step_s * contracts.SAMPLE_RATE_HZ / FRAME_STEP_SAMPLES))
        clustering = settings.clustering
        self._clustering = replace(clustering, evidence_scale=clustering.evidence_scale * settings.step_s)
        self._min_pause_s = settings.min_pause_s

    def diarize(
        self,
        samples: contracts.Samples,
        speaker_count: contracts.SpeakerCount,
        should_stop: ShouldStop = never,
    ) -> tuple[contracts.SpeakerTurn, ...]:
        """See DiarizationEngine.diarize."""
        if len(samples) == 0:
            return ()
        activity = self._segmenter.segment(samples, self._step_frames, should_stop)
        if not activity.active.any():
            return ()
        labels = self._label(samples, activity, speaker_count, should_stop)
        duration_s = len(samples) / contracts.SAMPLE_RATE_HZ
        return speaker_turns(speaker_activity(activity, labels), duration_s, self._min_pause_s)

    def voiceprint(self, samples: contracts.Samples, should_stop: ShouldStop = never) -> contracts.Voiceprint | None:
        """See DiarizationEngine.voiceprint.

        The first window, 10 s, is enough to know a voice by, and bounds the cost: on ONNX Runtime 29 ms of one
        thread, and 22 ms for each second.
        """
        samples = samples[:WINDOW_SAMPLES]
        if len(samples) < LEAST_VOICE_S * contracts.SAMPLE_RATE_HZ:
            return None
        activity = self._segmenter.segment(samples, self._step_frames, should_stop)
        # What follows the samples in the window is filled up.
        alone = activity.alone[0, : len(samples) // FRAME_STEP_SAMPLES]
        alone_s = alone.sum(axis=0) * FRAME_STEP_SAMPLES / contracts.SAMPLE_RATE_HZ
        speaker = int(alone_s.argmax())
        if alone_s[speaker] < LEAST_VOICE_S:
            return None
        embedding = self._embedder.embed(samples, activity, should_stop)[0, speaker]
        return contracts.Voiceprint(embedding / np.linalg.norm(embedding), float(alone_s[speaker]))

    def _label(
        self,
        samples: contracts.Samples,
        activity: LocalActivity,
        speaker_count: contracts.SpeakerCount,
        should_stop: ShouldStop,
    ) -> Labels:
        if 1 in (speaker_count.exact, speaker_count.maximum):
            return np.where(activity.active.any(axis=1), 0, NOBODY)
        embeddings = self._embedder.embed(samples, activity, should_stop)
        clean_share = activity.alone.mean(axis=1)
        return assign_speakers(embeddings, clean_share, self._plda, speaker_count, self._clustering)
