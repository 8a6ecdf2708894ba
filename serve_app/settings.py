"""The one tree of settings; ``args`` of a Serve config file is validated into it.

How many replicas each stage has, and on what, is Serve's own business: the ``deployments`` list of the same file.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, model_validator

from deployments.checkpoints.cache import CheckpointCache
from deployments.errors import EngineUnavailable
from deployments.language_id.engines import check_language_engine
from serve_app.access.plans import UNLIMITED, Plan
from serve_app.engine_settings import (
    DiarizationSettings,
    LanguageSettings,
    ModelSettings,
    RecognitionSettings,
    RefinementSettings,
)
from serve_app.settings_section import Section

_MIB = 1024 * 1024
_LEASE_TTL_S = 5.0


class LimitSettings(Section):
    """What a request may bring, and how long it may take."""

    max_bytes: int = Field(250 * _MIB, gt=0, description="Size of a file, uploaded or fetched.")
    dialect_max_bytes: dict[str, int] = Field(
        {"smallest_selfhost": 100 * _MIB, "openai": 25 * _MIB, "sixtydb": 10 * _MIB},
        description="Lower limits of single APIs, by default those that their vendors document.",
    )
    max_duration_s: float = Field(7200.0, gt=0, description="Length of the decoded audio.")
    dialect_max_duration_s: dict[str, float] = Field({"sixtydb": 3600.0}, description="The same for the length.")
    max_decode_s: float = Field(120.0, gt=0, description="Time that decoding one file may take.")
    max_requests: int = Field(
        64, gt=0, description="Requests one ingress replica holds at once, each with its upload in memory."
    )
    max_inflight_bytes: int = Field(
        2048 * _MIB, gt=0, description="Size of all files together that one ingress replica holds at once."
    )
    request_timeout_s: float = Field(
        1800.0,
        gt=0,
        description="Time for a whole request from when its body is there; two hours with speakers take minutes on a "
        "laptop. The body may take as long.",
    )
    body_silence_s: float = Field(
        30.0, gt=0, description="A body of which nothing comes for so long is given up: it holds a place of its user."
    )

    @model_validator(mode="after")
    def _holds_one_file(self) -> LimitSettings:
        # Of a multipart form, some bytes are no file.
        if self.max_inflight_bytes < self.max_bytes + _MIB:
            raise ValueError("max_inflight_bytes is less than one file of max_bytes, and 1 MiB, takes")
        return self

    def max_bytes_in(self, dialect: str) -> int:
        """The limit on a file that comes in through one API."""
        return min(self.max_bytes, self.dialect_max_bytes.get(dialect, self.max_bytes))

    def max_duration_s_in(self, dialect: str) -> float:
        """The limit on the length of a recording that comes in through one API."""
        return min(self.max_duration_s, self.dialect_max_duration_s.get(dialect, self.max_duration_s))


class SpeechGateSettings(Section):
    """When a recording is not worth recognising."""

    snr_floor_db: float = Field(
        -10.0, description="Below this signal-to-noise ratio words would be invented rather than heard."
    )


class StorageSettings(Section):
    """Where keys, the usage ledger, jobs and their audio are kept."""

    folder: str | None = Field(
        None, description="Holds the SQLite file and the audio of jobs; default: the user's data folder."
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL, postgresql+psycopg://…; default: SQLite in the folder. One node only."
    )
    audio_url: str | None = Field(
        None, description="s3://bucket/prefix for the audio of this database's jobs; default: the folder."
    )


class AccessSettings(Section):
    """Who may use the service."""

    require_keys: bool = Field(False, description="Even on a loopback address: set it behind a proxy on the same host.")
    cors_origins: tuple[Annotated[str, Field(pattern=r"^(\*|https?://[^/\s]+)$")], ...] = Field(
        (), description="Web pages that may call the service with a key: https://app.example.com, or * for all."
    )
    local_plan: str = Field("local", description="Plan of the one user of a service that is open on loopback.")
    default_plan: str = Field("default", description="Plan of a user made without one.")
    plans: dict[str, Plan] = Field(
        {"default": Plan(), "local": UNLIMITED}, description="Named limits and prices; a user has one of them."
    )
    billing: bool = Field(
        False, description="Charge wallets, and refuse who has an empty one: 402, 403 or 429, by API."
    )
    key_cache_s: float = Field(5.0, ge=0, description="How long a revoked key may go on working.")
    lease_ttl_s: float = Field(
        _LEASE_TTL_S, gt=0, description="A holder of leases that is silent so long is taken for dead."
    )
    heartbeat_s: float = Field(1.0, gt=0, description="How often a holder of leases reports.")
    limiter_application: str | None = Field(
        None,
        min_length=1,
        description="Application of the same config file that is the Limiter alone (serve_app.builder:build_limiter), "
        "so that no change of these settings restarts it. Default: the Limiter is part of this one.",
    )

    @model_validator(mode="after")
    def _names_known_plans(self) -> AccessSettings:
        for name in (self.local_plan, self.default_plan):
            if name not in self.plans:
                raise ValueError(f"there is no plan {name!r} among {', '.join(sorted(self.plans))}")
        if self.heartbeat_s * 3 > self.lease_ttl_s:
            raise ValueError("lease_ttl_s must be at least three times heartbeat_s: one report may be lost")
        return self

    def plan_of(self, name: str) -> Plan:
        """A user's plan; the default one where the settings no longer have his."""
        return self.plans.get(name) or self.plans[self.default_plan]


class LimiterSettings(Section):
    """``args`` of a Limiter that is an application of its own."""

    lease_ttl_s: float = Field(_LEASE_TTL_S, gt=0, description="As access.lease_ttl_s of the service.")


class S3Settings(Section):
    """How s3:// URLs are read, and audio kept there. Credentials come from boto3's usual places."""

    endpoint_url: str | None = Field(None, description="Of an S3-compatible server; default: AWS, or AWS_ENDPOINT_URL.")
    region: str | None = Field(None, description="Default: boto3's.")
    buckets: tuple[str, ...] | None = Field(
        None,
        description="Buckets that callers may name in an s3:// URL. Default: any while the service is open on "
        "loopback, none where callers bring keys: they would read with the service's own credentials.",
    )


class SourceSettings(Section):
    """What may be fetched for a caller who sends a URL. Uploads' limits on bytes and seconds apply as well."""

    allowed_hosts: tuple[str, ...] = Field((), description="Host names that may resolve to private addresses.")
    allowed_networks: tuple[str, ...] = Field((), description="Private networks that may be fetched from, as CIDR.")
    denied_networks: tuple[str, ...] = Field(
        (),
        description="Public networks that may not, as CIDR: your own pods and machines, say, where they have public "
        "addresses. What is allowed goes first.",
    )
    max_fetch_s: float = Field(120.0, gt=0, description="Time that one fetch may take.")
    connect_timeout_s: float = Field(10.0, gt=0, description="Time to connect, and between two chunks.")
    max_redirects: int = Field(5, ge=0, description="Each is checked like the first address.")
    s3: S3Settings = S3Settings()


class JobSettings(Section):
    """Work that outlives the request that brought it."""

    concurrent_jobs: int = Field(2, ge=1, description="Jobs that one runner replica works on at once.")
    lease_s: float = Field(15.0, gt=0, description="A runner that is silent so long loses its jobs to others.")
    poll_interval_s: float = Field(1.0, gt=0, description="How often an idle runner looks for work.")
    max_attempts: int = Field(
        3,
        ge=1,
        description="A job ends as failed after so many attempts in which its runner or a stage died, its time ran "
        "out, or we made a mistake.",
    )
    max_queued_per_user: int = Field(1000, ge=1, description="Jobs of one user that may wait; more are a 503.")
    result_retention_s: float = Field(7 * 86400.0, gt=0, description="After it ended a job is forgotten so late.")
    audio_retention_s: float = Field(0.0, ge=0, description="After its job ended the audio is deleted so late.")


class WebhookSettings(Section):
    """How results are delivered."""

    give_up_after_s: float = Field(
        86400.0,
        gt=0,
        description="An attempt that fails so long after the job ended is the last; the job keeps its result.",
    )
    first_retry_s: float = Field(2.0, gt=0, description="Doubles with each attempt; half to all of it is waited.")
    longest_retry_s: float = Field(3600.0, gt=0, description="Ceiling of the doubling.")
    timeout_s: float = Field(15.0, gt=0, description="For one attempt, all of it.")
    concurrent_deliveries: int = Field(8, ge=1, description="Attempts of one runner replica at once.")


class LiveSettings(Section):
    """Sessions over sockets."""

    max_sessions: int = Field(100, ge=1, description="Sessions that one ingress replica holds at once.")
    max_session_s: float = Field(3600.0, gt=0, description="The longest session.")
    idle_timeout_s: float = Field(60.0, gt=0, description="Without a message for so long a session ends.")
    max_queued_s: float = Field(30.0, gt=0, description="Audio of one session that may wait for its words.")
    partial_interval_s: float = Field(
        0.8, gt=0, description="The shortest time between two partial texts; they are most of live work."
    )
    utterance_timeout_s: float = Field(20.0, gt=0, description="Time in which an utterance must be recognised.")


def recognizer_deployment(model: str | None = None) -> str:
    """What the deployment of a recogniser is called in the ``deployments`` of a Serve config."""
    return "Recognizer" if model is None else f"Recognizer-{re.sub('[^A-Za-z0-9.]+', '-', model)}"


class Settings(Section):
    """All of it."""

    profile: str = Field("embedded", description="Shown by health checks and doctor.")
    limits: LimitSettings = LimitSettings()
    models: ModelSettings = ModelSettings()
    speech_gate: SpeechGateSettings = SpeechGateSettings()
    language: LanguageSettings = LanguageSettings()
    recognition: RecognitionSettings = RecognitionSettings()
    recognizers: dict[str, RecognitionSettings] = Field(
        {},
        description="Further recognisers, by the model name that callers ask for; each is a deployment of its own.",
    )
    diarization: DiarizationSettings = DiarizationSettings()
    refinement: RefinementSettings = RefinementSettings()
    storage: StorageSettings = StorageSettings()
    access: AccessSettings = AccessSettings()
    sources: SourceSettings = SourceSettings()
    jobs: JobSettings = JobSettings()
    webhooks: WebhookSettings = WebhookSettings()
    live: LiveSettings = LiveSettings()

    @model_validator(mode="after")
    def _names_engines_that_fit(self) -> Settings:
        try:
            check_language_engine(self.language.engine, self.language.options(self.identified_languages()))
            self.diarization.capabilities()
        except EngineUnavailable as error:
            raise ValueError(str(error)) from error
        return self

    @model_validator(mode="after")
    def _names_deployments_apart(self) -> Settings:
        names = [recognizer_deployment(model) for model in self.recognizers]
        if len({name.casefold() for name in names}) < len(names):
            raise ValueError(f"two of recognizers would be the same deployment: {', '.join(sorted(names))}")
        return self

    def serving(self, model: str | None) -> Settings:
        """As a request sees them that asks for a model: with that recogniser, or the first for a name not known."""
        chosen = None if model is None else self.recognizers.get(model)
        return self if chosen is None else self.model_copy(update={"recognition": chosen})

    def identified_languages(self) -> frozenset[str]:
        """What the language stage must tell apart: nobody asks it about a recogniser of one language."""
        spoken = [
            recognition.capabilities().languages for recognition in (self.recognition, *self.recognizers.values())
        ]
        return frozenset().union(*(languages for languages in spoken if len(languages) > 1)) or spoken[0]

    def checkpoint_cache(self) -> CheckpointCache:
        """Where fetched weights are kept on this node."""
        models, s3 = self.models, self.sources.s3
        return CheckpointCache(
            models.resolved_folder(),
            offline=models.offline,
            s3_endpoint_url=s3.endpoint_url,
            s3_region=s3.region,
            hub_endpoint=models.hub_endpoint,
            max_bytes=models.max_bytes,
        )
