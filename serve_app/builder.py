"""The one place that wires the graph."""

# No `from __future__ import annotations` here: Serve reads the annotation of build_app to validate its arguments,
# and passes a bare dict where it finds a string.

from typing import Any

from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from deployments.decode.deployment import Decoder
from deployments.decode.limits import DecodeLimits
from deployments.diarization.deployment import Diarizer, DiarizerConfig
from deployments.language_id.deployment import LanguageIdentifier, LanguageIdentifierConfig
from deployments.language_id.smoothing import SmoothingSettings
from deployments.recognition.batches import BatchLimits
from deployments.recognition.deployment import Recognizer, RecognizerConfig
from deployments.recognition.windows import WindowSettings
from deployments.refinement.deployment import Refiner, RefinerConfig
from deployments.speech_gate.deployment import SpeechGate
from deployments.speech_gate.gate import GateSettings
from serve_app.access.limiter import Limiter, LimiterConfig
from serve_app.dialects.registry import CALLBACK_FORMS
from serve_app.ingress import Ingress
from serve_app.jobs.runner import JobRunner
from serve_app.pipeline import StageHandles
from serve_app.ray_signals import RaySignals
from serve_app.settings import AccessSettings, LimiterSettings, Settings, recognizer_deployment


def build_app(args: Settings) -> Application:
    """Rayscribe as a Serve application; ``args`` of a config file end up here."""
    stages = StageHandles(
        decoder=_deployment(Decoder).bind(_decode_limits(args), RaySignals()),
        speech_gate=_deployment(SpeechGate).bind(_gate_settings(args), RaySignals()),
        language_identifier=_deployment(LanguageIdentifier).bind(_language_config(args), RaySignals()),
        recognizer=_recognizer(args, None),
        recognizers={model: _recognizer(args, model) for model in args.recognizers},
        diarizer=_deployment(Diarizer).bind(_diarizer_config(args), RaySignals()),
        refiner=_deployment(Refiner).bind(_refiner_config(args), RaySignals()),
    )
    job_runner = _deployment(JobRunner).bind(args, stages, CALLBACK_FORMS)
    return _deployment(Ingress).bind(args, stages, _limiter(args.access), job_runner)


def build_limiter(args: LimiterSettings) -> Application:
    """The Limiter as a Serve application of its own, without HTTP: no change of the service's settings restarts it."""
    return _deployment(Limiter).bind(LimiterConfig(lease_ttl_s=args.lease_ttl_s), signals=RaySignals())


def _limiter(access: AccessSettings) -> Application | DeploymentHandle:
    """Part of this graph, or that of another application, which may come up later than this one."""
    if access.limiter_application is None:
        return build_limiter(LimiterSettings(lease_ttl_s=access.lease_ttl_s))
    # What Serve makes of a bound deployment. serve.get_deployment_handle would ask whether it exists, and both
    # applications are built at the same time.
    return DeploymentHandle(Limiter.__name__, access.limiter_application)


def _deployment(stage: type[Any], name: str | None = None) -> Any:
    """The stage as a Serve deployment, by default of the class's name; the config file says how many and where."""
    return serve.deployment(name=name or stage.__name__)(stage)


def _recognizer(settings: Settings, model: str | None) -> Any:
    config = _recognizer_config(settings.serving(model))
    return _deployment(Recognizer, recognizer_deployment(model)).bind(config, RaySignals())


def _decode_limits(settings: Settings) -> DecodeLimits:
    limits = settings.limits
    return DecodeLimits(
        max_bytes=limits.max_bytes, max_duration_s=limits.max_duration_s, max_wall_s=limits.max_decode_s
    )


def _gate_settings(settings: Settings) -> GateSettings:
    return GateSettings(snr_floor_db=settings.speech_gate.snr_floor_db)


def _language_config(settings: Settings) -> LanguageIdentifierConfig:
    return LanguageIdentifierConfig(
        engine=settings.language.engine,
        options=settings.language.options(settings.identified_languages(), settings.checkpoint_cache()),
        smoothing=SmoothingSettings(switch_nats=settings.language.switch_nats),
    )


def _refiner_config(settings: Settings) -> RefinerConfig:
    llm = settings.refinement.llm
    return RefinerConfig(language_model=None if llm is None else llm.options(settings.checkpoint_cache()))


def _diarizer_config(settings: Settings) -> DiarizerConfig:
    return DiarizerConfig(settings.diarization.engine, settings.diarization.options(settings.checkpoint_cache()))


def _recognizer_config(settings: Settings) -> RecognizerConfig:
    recognition = settings.recognition
    return RecognizerConfig(
        engine=recognition.engine,
        options=recognition.options(settings.checkpoint_cache()),
        limits=BatchLimits(
            slots=recognition.slots,
            max_items=recognition.max_batch_items,
            max_padded_s=recognition.max_batch_padded_s,
            max_queued_s=recognition.max_queued_s,
        ),
        windows=WindowSettings(longest_s=recognition.resolved_window_s()),
    )
