"""What the query strings of Smallest Waves have in common, for recordings and for live sessions."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator
from pydantic_core import PydanticCustomError
from starlette.datastructures import QueryParams

from deployments.errors import InvalidParameter
from serve_app.capabilities import ParameterNames
from serve_app.dialects.languages import SpokenLanguage

PARAMETER_NAMES = ParameterNames(language="language", speaker_count="diarize", candidates="language")

LANGUAGE_SETS = {
    "multi-eu": ("de", "en", "fr", "it", "nl", "pt", "ru", "es"),
    # The vendor's list says "ka", Georgian, where Kannada must be meant.
    "multi-indic": ("en", "hi", "mr", "pa", "gu", "or", "kn", "ta", "te", "ml", "bn"),
    "multi-asian": ("en", "ja", "ko", "zh", "yue"),
}


def _literal(value: object) -> object:
    """The vendor's query strings know two words; "1" or "True" would be read as off there."""
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise PydanticCustomError("flag", "must be true or false")
    return value == "true"


Flag = Annotated[bool, BeforeValidator(_literal)]

# Some clients send what was left empty. A flag without a word is refused: elsewhere it would be on.
Language = Annotated[SpokenLanguage, AfterValidator(lambda code: code or "multi")]


def fields_of(query: QueryParams, options: type[BaseModel], default_model: str | None) -> dict[str, str]:
    """What is to be validated as ``options``; with a default, ``model`` may be left out.

    Raises:
        InvalidParameter: one of the options is given twice.
    """
    for name in query:
        if name in options.model_fields and len(query.getlist(name)) > 1:
            raise InvalidParameter(name, "given twice")
    fields = dict(query)
    # The oldest path had a model of its own name.
    if default_model is not None and fields.get("model", "lightning") == "lightning":
        fields["model"] = default_model
    return fields


def spoken(language: str) -> tuple[str | None, tuple[str, ...]]:
    """The language, or None where it is to be found out, and the languages to find it out among; none: all."""
    candidates = LANGUAGE_SETS.get(language, ())
    return None if candidates or language == "multi" else language, candidates
