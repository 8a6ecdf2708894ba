"""Who speaks, for one session: voices of utterances in, labels out that never change afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deployments.contracts import SpeakerCount, Voiceprint
from deployments.diarization.engine import speaker_name


@dataclass(frozen=True, slots=True)
class RegisterSettings:
    """Cosine similarities of voices, and seconds of speech.

    Chosen on 190 utterances, as the endpointer cuts them, of 19 recordings with known turns (docs/benchmarks.md), and
    on 150 dialogues of one to five readers, made of 141 utterances. Share of the speech that gets a wrong speaker, and
    none: 3.3 and 2.1 % (diarizing the whole recording: 4.2 and 0.1 %), in the dialogues 0.7 and 0.2 %. At a similarity
    of 0.35 it is 7.8 and 2.1 %, all more of one recording; in the dialogues 0.7 and 0.2 %, too. At 0.5: 4.0 and 2.1 %,
    and one dialogue in four has a speaker too many.

    Attributes:
        same_similarity: a voice as close as this to a speaker is his.
        eager_similarity: the same while fewer speakers are known than there must be.
        opening_s: only a voice that rests on so much speech can be a new speaker.
        floor_similarity: a voice that can be no new speaker is the nearest one's from here on, and nobody's below.
    """

    same_similarity: float = 0.4
    eager_similarity: float = 0.45
    opening_s: float = 1.0
    floor_similarity: float = 0.2

    def __post_init__(self) -> None:
        if not -1.0 <= self.floor_similarity <= self.same_similarity <= self.eager_similarity <= 1.0:
            raise ValueError("need -1 <= floor_similarity <= same_similarity <= eager_similarity <= 1")
        if self.opening_s < 0.0:
            raise ValueError("opening_s must not be negative")


@dataclass(slots=True)
class _Speaker:
    label: str
    voice_sum: npt.NDArray[np.float64]
    """Of unit-length voices, each times its seconds: the centroid's direction."""

    def similarity(self, voice: Voiceprint) -> float:
        return float(self.voice_sum @ voice.embedding / max(float(np.linalg.norm(self.voice_sum)), 1e-12))

    def add(self, voice: Voiceprint) -> None:
        self.voice_sum += voice.embedding.astype(np.float64) * voice.speech_s


class SpeakerRegister:
    """Online clustering by nearest centroid: a voice joins the speaker it is like, or else opens a new one.

    After the incremental clustering of Coria, Bredin, Ghannay and Rosset (Overlap-aware low-latency online speaker
    diarization based on end-to-end local segmentation, ASRU 2021): one threshold for new speakers, and none opened by
    little speech. Here a voice is that of a whole utterance, and a centroid weighs its utterances by their speech.

    Args:
        bounds: how many speakers there may be; more are never named. A least number cannot be promised to a stream:
            until it is reached, less of a difference makes a new speaker.
        settings: thresholds.
    """

    def __init__(self, bounds: SpeakerCount, settings: RegisterSettings | None = None) -> None:
        self._settings = settings or RegisterSettings()
        self._least = bounds.exact or bounds.minimum or 1
        self._most = bounds.exact or bounds.maximum
        self._speakers: list[_Speaker] = []

    def assign(self, voice: Voiceprint | None) -> str | None:
        """The speaker of the next utterance: SPEAKER_00, SPEAKER_01, ... in the order in which they are first heard.

        Args:
            voice: of the utterance; None where there is none.

        Returns:
            None where it cannot be told.
        """
        if self._most == 1:
            return speaker_name(0)
        if voice is None:
            return None
        similarities = [speaker.similarity(voice) for speaker in self._speakers]
        best = max(similarities, default=-np.inf)
        if best >= self._joining_similarity:
            speaker = self._speakers[similarities.index(best)]
            speaker.add(voice)
            return speaker.label
        if self._may_open and voice.speech_s >= self._settings.opening_s:
            return self._open(voice)
        if best >= self._settings.floor_similarity:
            # It is not sure enough to have a say in how the speaker sounds.
            return self._speakers[similarities.index(best)].label
        return None

    @property
    def _may_open(self) -> bool:
        return self._most is None or len(self._speakers) < self._most

    @property
    def _joining_similarity(self) -> float:
        is_short_of_speakers = len(self._speakers) < self._least
        return self._settings.eager_similarity if is_short_of_speakers else self._settings.same_similarity

    def _open(self, voice: Voiceprint) -> str:
        speaker = _Speaker(speaker_name(len(self._speakers)), np.zeros(len(voice.embedding)))
        speaker.add(voice)
        self._speakers.append(speaker)
        return speaker.label
