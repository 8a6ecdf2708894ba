"""Settings of the engines: which there are, whose weights they load, and where they run."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path
from pydantic import Field, model_validator

from deployments.checkpoints.cache import CheckpointCache
from deployments.checkpoints.source import CheckpointSource
from deployments.diarization.engine import DiarizationCapabilities
from deployments.diarization.engines import DEFAULT_ENGINE as DEFAULT_DIARIZATION_ENGINE
from deployments.diarization.engines import DiarizationEngineOptions, diarization_capabilities
from deployments.errors import EngineUnavailable
from deployments.language_id.engines import SINGLE_LANGUAGE, LanguageEngineOptions
from deployments.processors import usable_processors
from deployments.recognition.engine import RecognitionCapabilities
from deployments.recognition.engines import RecognitionEngineOptions, recognition_capabilities
from deployments.refinement.polish.options import CheckpointOptions, EndpointOptions, LanguageModelOptions
from deployments.torch_runtime import Precision, TorchSettings
from serve_app.settings_section import Section


class ModelSettings(Section):
    """Where fetched weights are kept. Buckets are read as `sources.s3` says; the hub's token is HF_TOKEN's."""

    folder: str | None = Field(None, description="One for all processes of a node; default: the user's cache folder.")
    offline: bool = Field(False, description="Fetch nothing: `rayscribe models pull` has brought what there is.")
    hub_endpoint: str | None = Field(None, description="Of a mirror of the hub; default: huggingface_hub's.")
    max_bytes: int = Field(200 * 10**9, gt=0, description="A larger checkpoint is refused, as a prefix of too much.")

    def resolved_folder(self) -> Path:
        """The folder, by default the user's."""
        if self.folder is not None:
            return Path(self.folder).expanduser().absolute()
        return user_cache_path("rayscribe", appauthor=False) / "models"


class WeightsSettings(Section):
    """Which weights an engine loads, and where it runs. One that an engine cannot heed is an error."""

    checkpoint: str | None = Field(
        None, description="A hub's org/name, a folder (starts with /, ~ or a dot), or s3://bucket/prefix."
    )
    revision: str | None = Field(
        None, description="Of a hub: branch, tag or commit; of a bucket: the digest that `rayscribe models list` shows."
    )
    device: str = Field("auto", description="cpu, cuda, cuda:1 …; auto: the first GPU that the replica sees, else cpu.")
    precision: Precision = Field(Precision.AUTO, description="auto: bfloat16 on a GPU, float32 on a CPU.")
    compile: bool = Field(False, description="torch.compile while warming up: takes minutes, and pays on a GPU.")
    threads: int = Field(1, ge=1, description="Threads of one call on a CPU.")

    @model_validator(mode="after")
    def _names_a_place(self) -> WeightsSettings:
        if self.revision is not None and self.checkpoint is None:
            raise ValueError("a revision needs a checkpoint")
        self.source()
        return self

    def source(self) -> CheckpointSource | None:
        """Where the weights are, if anywhere."""
        return None if self.checkpoint is None else CheckpointSource(self.checkpoint, self.revision)

    def torch(self) -> TorchSettings:
        """How a torch engine runs."""
        return TorchSettings(self.device, self.precision, self.threads, self.compile)


_OF_TELLING_APART = ("batch_clips", "switch_nats")


class LanguageSettings(WeightsSettings):
    """How the language stage finds out what is spoken."""

    engine: str = Field("single-language", description="single-language, or whisper-head, which takes a checkpoint.")
    batch_clips: int = Field(16, ge=1, description="Stretches of up to 30 s that whisper-head hears in one pass.")
    switch_nats: float = Field(
        4.0, ge=0, description="Evidence that a change of language must bring; 0 lets every region decide alone."
    )

    @model_validator(mode="after")
    def _heeds_all(self) -> LanguageSettings:
        fields = type(self).model_fields
        given = [name for name in _OF_TELLING_APART if getattr(self, name) != fields[name].default]
        if self.engine == SINGLE_LANGUAGE and given:
            raise ValueError(f"{', '.join(given)} does not apply to {self.engine}: it tells nothing apart")
        return self

    def options(self, languages: frozenset[str], cache: CheckpointCache | None = None) -> LanguageEngineOptions:
        """What the engine is told; languages are the recogniser's."""
        return LanguageEngineOptions(languages, self.source(), cache, self.torch(), self.batch_clips)


class RecognitionSettings(WeightsSettings):
    """Which recogniser runs, and how its batches are formed."""

    engine: str = Field("moonshine-tiny-en", description="Name of the engine.")
    languages: tuple[str, ...] = Field(
        (), description="ISO 639-1 codes of the checkpoint, where its family does not say; narrows those that do."
    )
    beams: int | None = Field(
        None, ge=1, le=16, description="Hypotheses kept while decoding, for engines that can keep several; default: 4."
    )
    threads: int = Field(1, ge=1, description="Threads inside one batch; slots scale better.")
    slots: int = Field(
        0,
        ge=0,
        description="Batches at once in one replica, of each kind: files, live finals, and half as many of partial "
        "texts; 0: one for each processor that it may use, by its quota.",
    )
    max_batch_items: int = Field(8, ge=1, description="On a CPU a larger batch is hardly faster, and takes longer.")
    max_batch_padded_s: float = Field(240.0, gt=0, description="Longest window times items of a batch.")
    max_queued_s: float = Field(4 * 3600.0, gt=0, description="Audio that may wait in one replica.")
    window_s: float | None = Field(
        None, gt=0, description="Longest window; default: the engine's best (docs/benchmarks.md)."
    )
    group_s: float = Field(600.0, gt=0, description="Audio of one request sent to one replica at once.")
    stream_group_s: float = Field(30.0, gt=0, description="The same for a request that wants text as it comes.")
    groups_in_flight: int = Field(
        2, ge=1, description="Groups of one request at once; more would take more than a fair share."
    )

    @model_validator(mode="after")
    def _names_an_engine(self) -> RecognitionSettings:
        try:
            longest_s = self.capabilities().longest_window_s
        except EngineUnavailable as error:
            raise ValueError(str(error)) from error
        if self.window_s is not None and self.window_s > longest_s:
            raise ValueError(f"window_s is longer than {longest_s:g} s, the longest window of {self.engine}")
        return self

    def options(self, cache: CheckpointCache | None = None) -> RecognitionEngineOptions:
        """What the engine is told; without a cache it can be asked about, and not be loaded."""
        return RecognitionEngineOptions(
            beams=self.beams, checkpoint=self.source(), cache=cache, torch=self.torch(), languages=self.languages
        )

    def capabilities(self) -> RecognitionCapabilities:
        """What the engine can do, without loading it."""
        return recognition_capabilities(self.engine, self.options())

    def resolved_slots(self) -> int:
        """Slots, with 0 replaced by the number of processors that a replica on this machine may use."""
        return self.slots or usable_processors()

    def resolved_window_s(self) -> float:
        """The longest window, by default the engine's best."""
        return self.window_s or self.capabilities().best_window_s


class DiarizationSettings(WeightsSettings):
    """How speakers are told apart."""

    engine: str = Field(
        DEFAULT_DIARIZATION_ENGINE,
        description="community1-onnx, community1-torch, or pyannote, which takes a checkpoint.",
    )
    threads: int = Field(1, ge=1, description="Threads of one recording.")
    segmentation_batch: int = Field(32, ge=1, description="Windows of 10 s in one call of a torch engine.")
    embedding_batch: int = Field(
        32, ge=1, description="Pieces of 12 s, or voices of 10 s, in one call of a torch engine."
    )
    max_speakers: int = Field(20, ge=1, description="The largest num_speakers a request may ask for.")

    def options(self, cache: CheckpointCache | None = None) -> DiarizationEngineOptions:
        """What the engine is told; without a cache it can be asked about, and not be loaded."""
        return DiarizationEngineOptions(
            self.source(), cache, self.torch(), self.segmentation_batch, self.embedding_batch
        )

    def capabilities(self) -> DiarizationCapabilities:
        """What the engine can do, without loading it."""
        return diarization_capabilities(self.engine, self.options())


_OF_A_CHECKPOINT = frozenset({"revision", "device", "precision", "threads", "batch_size"})
_OF_AN_ENDPOINT = frozenset({"model", "api_key_env", "concurrent_calls"})


class LanguageModelSettings(WeightsSettings):
    """The language model that polishes text where a caller gives a context: an endpoint, or a checkpoint.

    A checkpoint is a causal model of transformers with a chat template.
    """

    endpoint_url: str | None = Field(
        None, description="Of an OpenAI-compatible server, with its /v1: vLLM, Ray Serve LLM, llama.cpp, OpenAI."
    )
    model: str | None = Field(None, description="The name of the model at the endpoint.")
    api_key_env: str | None = Field(
        None, description="Environment variable of the Refiner's replicas that holds the endpoint's key."
    )
    concurrent_calls: int = Field(8, ge=1, description="Calls of the endpoint that one replica makes at once.")
    batch_size: int = Field(8, ge=1, description="Passages that the checkpoint works on together.")
    timeout_s: float = Field(
        20.0, gt=0, description="For the polish of one request; what is not done then stays as it was recognised."
    )
    max_tokens: int = Field(50_000, ge=1, description="Of prompts and answers that one request may cost.")
    max_edit_rate: float = Field(
        0.15, gt=0, le=1, description="Part of a passage's words that may change; a model that wants more is refused."
    )

    @model_validator(mode="after")
    def _names_one_model(self) -> LanguageModelSettings:
        if (self.endpoint_url is None) == (self.checkpoint is None):
            raise ValueError("a language model needs an endpoint_url or a checkpoint, and not both")
        if self.endpoint_url is not None and self.model is None:
            raise ValueError("an endpoint_url needs the name of a model")
        if self.compile:
            raise ValueError("a language model is not compiled: its answers are of many lengths")
        unheeded = _OF_A_CHECKPOINT if self.endpoint_url is not None else _OF_AN_ENDPOINT
        if given := sorted(self.model_fields_set & unheeded):
            kind = "an endpoint" if self.endpoint_url is not None else "a checkpoint"
            raise ValueError(f"{', '.join(given)} does not apply to {kind}")
        return self

    def options(self, cache: CheckpointCache) -> LanguageModelOptions:
        """What the stage is told."""
        source: EndpointOptions | CheckpointOptions
        if self.endpoint_url is not None:
            assert self.model is not None  # noqa: S101  # _names_one_model has made sure
            source = EndpointOptions(self.endpoint_url, self.model, self.api_key_env, self.concurrent_calls)
        else:
            checkpoint = self.source()
            assert checkpoint is not None  # noqa: S101  # the same
            source = CheckpointOptions(checkpoint, cache, self.torch(), self.batch_size)
        return LanguageModelOptions(
            source, timeout_s=self.timeout_s, max_tokens=self.max_tokens, max_edit_rate=self.max_edit_rate
        )


class RefinementSettings(Section):
    """How text is made to read well."""

    llm: LanguageModelSettings | None = Field(
        None, description="Polishes text where a caller gives a context; without it rules do what they can with one."
    )
