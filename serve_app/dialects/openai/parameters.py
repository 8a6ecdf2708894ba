"""The form fields of a transcription: what they may be, and what the pipeline is asked."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.contracts import TranscriptionRequest, VocabularyTerm
from deployments.errors import InvalidParameter, MissingParameter, UnsupportedParameter
from deployments.speech_gate.regions import RegionSettings
from serve_app.access.plans import Plan
from serve_app.dialects.languages import SpokenLanguage
from serve_app.dialects.openai.prompts import context_of
from serve_app.settings import Settings
from serve_app.uploads import UploadedForm
from serve_app.vocabulary_limits import LIMIT_NOTE, MOST_CONTEXT_CHARACTERS, Terms

FILE_PART = "file"
_STREAMED_FORMATS = frozenset({"json", "text", "diarized_json"})
_GATE = RegionSettings()


class TranscriptionOptions(BaseModel):
    """The fields beside the file."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(
        min_length=1,
        description="A name from `/v1/models`; any other is taken for the first of that list, since clients are set up "
        "with many.",
        examples=["whisper-1"],
    )
    language: SpokenLanguage | None = Field(
        None, description="ISO 639-1 code; without it the language is found out.", examples=["en"]
    )
    languages: tuple[SpokenLanguage, ...] = Field(
        (), description="ISO 639-1 codes among which the language is found out.", examples=[["en"]]
    )
    prompt: str = Field(
        "",
        max_length=MOST_CONTEXT_CHARACTERS,
        description="What the recording is about, for a recogniser that can be biased, and for a language model that "
        "polishes the text. Must be empty where the service has neither; `keywords[]` are for names and terms.",
        examples=[""],
    )
    keywords: Terms = Field(
        (),
        description=f"Names and terms: words that sound like one of them become it. {LIMIT_NOTE}",
        examples=[["Kubernetes", "Rayscribe"]],
    )
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] = Field(
        "json", description="Form of the answer; `diarized_json` tells speakers apart.", examples=["verbose_json"]
    )
    temperature: float = Field(0.0, description="Must be 0: beam search draws no samples.", examples=[0])
    timestamp_granularities: tuple[Literal["word", "segment"], ...] = Field(
        (),
        description="What has times in `verbose_json`; default: segments. `word` is refused in other forms.",
        examples=[["word", "segment"]],
    )
    include: tuple[Literal["logprobs"], ...] = Field(
        (),
        description="`logprobs` adds one entry per word to `json`, with the logarithm of the word's confidence.",
        examples=[["logprobs"]],
    )
    chunking_strategy: Literal["auto"] | None = Field(
        None, description="Long recordings are cut at pauses in any case, as `auto` asks for.", examples=["auto"]
    )
    vad_type: Literal["server_vad"] | None = Field(
        None,
        alias="chunking_strategy[type]",
        description="The same as `auto`; the other parts must have the values that the speech gate works with.",
        examples=["server_vad"],
    )
    vad_threshold: float | None = Field(
        None,
        alias="chunking_strategy[threshold]",
        description="Probability at which speech begins.",
        examples=[_GATE.enter_probability],
    )
    vad_prefix_padding_ms: int | None = Field(
        None,
        alias="chunking_strategy[prefix_padding_ms]",
        description="Audio kept in front of speech.",
        examples=[round(_GATE.padding_s * 1000)],
    )
    vad_silence_duration_ms: int | None = Field(
        None,
        alias="chunking_strategy[silence_duration_ms]",
        description="Silence that ends speech.",
        examples=[round(_GATE.join_gap_s * 1000)],
    )
    known_speaker_names: tuple[str, ...] = Field(
        (), description="Must be absent: speakers are told apart, not recognised.", examples=[[]]
    )
    known_speaker_references: tuple[str, ...] = Field(
        (), description="Must be absent: speakers are told apart, not recognised.", examples=[[]]
    )
    stream: bool = Field(
        False,
        description="Answer with server-sent events as parts of the recording are done: "
        "for `json`, `text` and `diarized_json`.",
        examples=[False],
    )

    @property
    def logprobs(self) -> bool:
        """Whether words are to carry their log probabilities."""
        return "logprobs" in self.include

    @property
    def diarize(self) -> bool:
        """Whether speakers are to be told apart."""
        return self.response_format == "diarized_json"

    def to_request(
        self, request_id: str, max_duration_s: float, plan: Plan, settings: Settings
    ) -> TranscriptionRequest:
        """What the pipeline is asked.

        Raises:
            UnsupportedParameter: nothing here can use the prompt.
            FeatureNotInPlan: others may give one.
        """
        prompt = self.prompt.strip()
        return TranscriptionRequest(
            request_id=request_id,
            language=self.language,
            candidates=self.languages,
            diarize=self.diarize,
            vocabulary=tuple(VocabularyTerm(keyword) for keyword in self.keywords),
            max_duration_s=max_duration_s,
            context=context_of(prompt, "prompt", plan, settings),
            prompt=prompt,
            model=self.model,
        )


def options_of(form: UploadedForm) -> TranscriptionOptions:
    """The options in a form whose lists were read by LIST_FIELDS.

    Raises:
        pydantic.ValidationError: a field is missing, unknown, or not what it should be.
        UnsupportedParameter: the profile cannot do it.
        InvalidParameter, MissingParameter: fields contradict each other.
    """
    lists: dict[str, list[str]] = {}
    for spelling, values in form.lists.items():
        lists.setdefault(spelling.removesuffix("[]"), []).extend(values)
    options = TranscriptionOptions.model_validate(form.fields | lists)
    _check_recognition(options)
    _check_chunking(options)
    _check_format(options)
    return options


def _check_recognition(options: TranscriptionOptions) -> None:
    if options.temperature != 0:
        raise UnsupportedParameter("temperature", "beam search draws no samples, so it must be 0", ("0",))
    if options.language is not None and options.languages:
        raise InvalidParameter("languages", "cannot be given together with language")
    for name in ("known_speaker_names", "known_speaker_references"):
        if getattr(options, name):
            raise UnsupportedParameter(name, "speakers are told apart, not recognised")


def _check_chunking(options: TranscriptionOptions) -> None:
    parts = {
        "threshold": (options.vad_threshold, _GATE.enter_probability),
        "prefix_padding_ms": (options.vad_prefix_padding_ms, round(_GATE.padding_s * 1000)),
        "silence_duration_ms": (options.vad_silence_duration_ms, round(_GATE.join_gap_s * 1000)),
    }
    given = {f"chunking_strategy[{part}]": pair for part, pair in parts.items() if pair[0] is not None}
    if options.chunking_strategy is not None and (options.vad_type is not None or given):
        raise InvalidParameter("chunking_strategy", "cannot be auto and have parts")
    if given and options.vad_type is None:
        raise MissingParameter("chunking_strategy[type]")
    for name, (asked, works_with) in given.items():
        if asked != works_with:
            raise UnsupportedParameter(name, f"the speech gate works with {works_with:g}", (f"{works_with:g}",))


def _check_format(options: TranscriptionOptions) -> None:
    # Segments are the default: clients name them whatever form they ask for. Words would be missing from the answer.
    if "word" in options.timestamp_granularities and options.response_format != "verbose_json":
        raise InvalidParameter("timestamp_granularities", "word needs the response_format verbose_json")
    if options.include and options.response_format != "json":
        raise InvalidParameter("include", "needs the response_format json")
    if options.stream and options.response_format not in _STREAMED_FORMATS:
        raise InvalidParameter(
            "stream", f"{options.response_format} cannot be streamed; json, text and diarized_json can"
        )


_SCHEMA = TranscriptionOptions.model_json_schema()
# Clients write lists with brackets, and so does the page; both spellings are read.
_LISTS = frozenset(name for name, field in _SCHEMA["properties"].items() if field.get("type") == "array")
LIST_FIELDS = _LISTS | {f"{name}[]" for name in _LISTS}
FIELDS = LIST_FIELDS.union(_SCHEMA["properties"])
"""All fields beside the file, as clients write them."""

TRANSCRIPTION_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FILE_PART, "model"],
                    "additionalProperties": False,
                    "properties": {
                        FILE_PART: {
                            "type": "string",
                            "format": "binary",
                            "description": "The recording, in any format that FFmpeg reads.",
                        },
                        **{
                            f"{name}[]" if name in _LISTS else name: field
                            for name, field in _SCHEMA["properties"].items()
                        },
                    },
                }
            }
        },
    }
}
"""``openapi_extra=`` of the route."""
