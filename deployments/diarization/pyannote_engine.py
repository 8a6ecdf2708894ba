"""The pipeline of pyannote.audio 4 itself, from a folder."""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from deployments import contracts, errors
from deployments.diarization.engine import speaker_name
from deployments.diarization.pyannote_folder import check_pipeline_folder
from deployments.diarization.torchaudio_import import import_torchaudio
from deployments.stopping import ShouldStop, never, raise_if_stopped
from deployments.torch_runtime import TorchSettings, placement_of


@dataclass(frozen=True, slots=True)
class PyannoteSettings:
    """How the pipeline runs; config.yaml in its folder says the rest.

    Attributes:
        torch: device and threads; it computes in float32.
        segmentation_batch: windows of 10 s.
        embedding_batch: voices of 10 s. Memory peaks on the last batch where that is not full (pyannote-audio issue
            1963: 12 GB instead of 1.8).
    """

    torch: TorchSettings = field(default_factory=TorchSettings)
    segmentation_batch: int = 32
    embedding_batch: int = 32


class PyannoteDiarizer:
    """Who speaks when, by pyannote.audio (Bredin 2023), word for word; calls from several threads wait for each other.

    Recordings stay in memory: with a path pyannote decodes each window anew (pyannote-audio issue 1955: 1054 s
    instead of 50). Its telemetry is off. On a GPU it turns TF32 off for the whole process.

    Args:
        folder: as pyannote/speaker-diarization-community-1 lays it out; checked before it is loaded.
        settings: see there.

    Raises:
        errors.EngineUnavailable: a package, a file or the device is missing, or the folder could run code.
    """

    def __init__(self, folder: Path, settings: PyannoteSettings | None = None) -> None:
        settings = settings or PyannoteSettings()
        placement = placement_of(settings.torch)
        check_pipeline_folder(folder)
        try:
            self._pipeline = _pipeline_class().from_pretrained(folder)
        except (RuntimeError, ValueError, KeyError, OSError, TypeError) as error:
            raise errors.EngineUnavailable(f"pyannote.audio cannot load {folder}: {error}") from error
        self._pipeline.segmentation_batch_size = settings.segmentation_batch
        self._pipeline.embedding_batch_size = settings.embedding_batch
        self._pipeline.to(placement.device)
        self._lock = threading.Lock()

    def diarize(
        self,
        samples: contracts.Samples,
        speaker_count: contracts.SpeakerCount,
        should_stop: ShouldStop = never,
    ) -> tuple[contracts.SpeakerTurn, ...]:
        """See DiarizationEngine.diarize."""
        import torch

        if len(samples) == 0:
            return ()

        def stop_between_batches(*_arguments: object, **_progress: object) -> None:
            raise_if_stopped(should_stop)

        # A copy: samples may be read-only, which torch has no word for.
        recording = {
            "waveform": torch.tensor(samples)[None],
            "sample_rate": contracts.SAMPLE_RATE_HZ,
            "uri": "recording",
        }
        with self._lock:
            stop_between_batches()
            output = self._pipeline(
                recording,
                num_speakers=speaker_count.exact,
                min_speakers=speaker_count.minimum,
                max_speakers=speaker_count.maximum,
                hook=stop_between_batches,
            )
        return _turns(output.speaker_diarization, len(samples) / contracts.SAMPLE_RATE_HZ)

    def voiceprint(self, samples: contracts.Samples, should_stop: ShouldStop = never) -> NoReturn:  # noqa: ARG002
        """It has none: the pipeline knows voices only from whole recordings."""
        raise errors.UnsupportedParameter("diarize", "the engine pyannote does not name the speakers of live speech")


def _turns(diarization: Any, duration_s: float) -> tuple[contracts.SpeakerTurn, ...]:
    """Turns inside the recording, which pyannote fills up to its window, named as speakers first appear."""
    spans = sorted(
        (float(segment.start), min(float(segment.end), duration_s), str(label))
        for segment, _, label in diarization.itertracks(yield_label=True)
    )
    names: dict[str, str] = {}
    turns = []
    for start_s, end_s, label in spans:
        if end_s > start_s:
            name = names.setdefault(label, speaker_name(len(names)))
            turns.append(contracts.SpeakerTurn(name, start_s, end_s))
    return tuple(turns)


def _pipeline_class() -> Any:
    """pyannote.audio's Pipeline, with its telemetry off."""
    import_torchaudio()
    try:
        with warnings.catch_warnings():
            # It warns of a torchcodec that does not work, which only reading files would need.
            warnings.simplefilter("ignore")
            from pyannote.audio import Pipeline
            from pyannote.audio.telemetry import set_telemetry_metrics
    except ImportError as error:
        raise errors.EngineUnavailable("This engine needs pyannote.audio: install rayscribe[gpu]") from error
    set_telemetry_metrics(False)
    return Pipeline
