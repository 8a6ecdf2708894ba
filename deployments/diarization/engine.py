"""pyannote community-1 on ONNX Runtime with a shared embedding trunk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deployments import contracts
from deployments.diarization.clustering import NOBODY, ClusteringSettings, Labels, assign_speakers
from deployments.diarization.community1 import Community1, load_community1
from deployments.diarization.embedding import SharedTrunkEmbedder, TrunkPieces
from deployments.diarization.reconstruction import speaker_activity, speaker_turns
from deployments.diarization.segmentation import FRAME_STEP_SAMPLES, WINDOW_SAMPLES, LocalActivity, Segmenter
from deployments.stopping import StopSignal, never

LEAST_VOICE_S = 0.3
"""Less speech has no voiceprint: from 0.1 s on, live utterances of 0.4 % more speech were named, half of it wrongly."""


class SharedTrunkDiarizer:
    """Who speaks when, for whole recordings, and what a voice is like, for single utterances.

    Calls from several threads do not wait for each other.

    The pipeline of pyannote.audio 4 (Bredin 2023; VBx clustering of Landini et al. 2022): segment ten-second
    windows, embed each window's local speakers, cluster the voices, and let the windows vote on each frame.

    Args:
        models: weights; read from the moonshine-voice wheel when None.
        threads: of each model call.
        step_s: between windows. Segmentation is half of the cost at 1 s. DER on 19 recordings with 1, 1.5, 2 s:
            18.2, 18.8, 18.9 %; on 13 other dialogues, joined from clips of known readers: 24.6, 23.9, 25.4 %.
        pieces: how the recording is cut for the trunk.
        clustering: thresholds, at a step of 1 s.
        min_pause_s: a speaker's shorter pauses do not end a turn. pyannote has 0, which its scoring favours;
            people who mark turns pass over short pauses: 0.5 s takes 1.8 points off the DER.

    Raises:
        errors.EngineUnavailable: the weights are missing.
    """

    def __init__(
        self,
        models: Community1 | None = None,
        threads: int = 1,
        step_s: float = 1.5,
        pieces: TrunkPieces | None = None,
        clustering: ClusteringSettings | None = None,
        min_pause_s: float = 0.5,
    ) -> None:
        models = models or load_community1()
        clustering = clustering or ClusteringSettings()
        step_frames = max(1, round(step_s * contracts.SAMPLE_RATE_HZ / FRAME_STEP_SAMPLES))
        self._segmenter = Segmenter(models.segmentation, step_frames, threads)
        self._embedder = SharedTrunkEmbedder(models, pieces or TrunkPieces(), threads)
        self._plda = models.plda
        self._clustering = replace(clustering, evidence_scale=clustering.evidence_scale * step_s)
        self._min_pause_s = min_pause_s

    def diarize(
        self,
        samples: contracts.Samples,
        speaker_count: contracts.SpeakerCount,
        should_stop: StopSignal = never,
    ) -> tuple[contracts.SpeakerTurn, ...]:
        """Find the speakers' turns.

        Args:
            samples: [n] at 16 kHz.
            speaker_count: bounds; fewer speakers come back where fewer voices are found than asked for.
            should_stop: asked between model calls.

        Returns:
            Turns sorted by start; those of different speakers may overlap; none where nobody speaks.

        Raises:
            errors.Cancelled: should_stop turned true.
        """
        if len(samples) == 0:
            return ()
        activity = self._segmenter.segment(samples, should_stop)
        if not activity.active.any():
            return ()
        labels = self._label(samples, activity, speaker_count, should_stop)
        duration_s = len(samples) / contracts.SAMPLE_RATE_HZ
        return speaker_turns(speaker_activity(activity, labels), duration_s, self._min_pause_s)

    def voiceprint(self, samples: contracts.Samples, should_stop: StopSignal = never) -> contracts.Voiceprint | None:
        """How the voice sounds that speaks most of an utterance, where it speaks alone.

        The first window, 10 s, is enough to know a voice by, and bounds the cost: 29 ms of one thread, and 22 ms for
        each second.

        Args:
            samples: [n] at 16 kHz.
            should_stop: asked between model calls.

        Returns:
            None where there is too little speech.

        Raises:
            errors.Cancelled: should_stop turned true.
        """
        samples = samples[:WINDOW_SAMPLES]
        if len(samples) < LEAST_VOICE_S * contracts.SAMPLE_RATE_HZ:
            return None
        activity = self._segmenter.segment(samples, should_stop)
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
        should_stop: StopSignal,
    ) -> Labels:
        if 1 in (speaker_count.exact, speaker_count.maximum):
            return np.where(activity.active.any(axis=1), 0, NOBODY)
        embeddings = self._embedder.embed(samples, activity, should_stop)
        clean_share = activity.alone.mean(axis=1)
        return assign_speakers(embeddings, clean_share, self._plda, speaker_count, self._clustering)
