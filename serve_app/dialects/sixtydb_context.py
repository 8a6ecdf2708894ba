"""60db's ``context``, of files and of sessions: hints for a language model, and terms, which work without one.

A file's form field holds a paragraph, or the object as JSON; ``start`` holds the object, or a paragraph. Facts in
``general`` are pairs of ``key`` and ``value``, as in the vendor's documents; an object is read as well.

Where the operator has set a language model up, any context has it polish the text, if the plan has refinement. Without
a model the rules do what they can, and a warning says so: terms and the names in what else is told are vocabulary, and
hesitations are left out. A plan without refinement has its terms used, and a warning for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError, from_json

from deployments.contracts import RefinementContext, TranscriptionWarning, VocabularyTerm, WarningCode
from deployments.errors import InvalidParameter
from deployments.refinement.names import names_in
from serve_app.access.plans import Feature, Plan
from serve_app.settings import Settings
from serve_app.vocabulary_limits import MOST_CONTEXT_CHARACTERS, MOST_TERM_CHARACTERS, Terms, limited

_TERM_WEIGHT = 1.5
_NAME_WEIGHT = 1.0


class Fact(BaseModel):
    """Something about the recording, by name."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str
    value: str


class Context(BaseModel):
    """See the module."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    general: tuple[Fact, ...] = Field((), fail_fast=True)
    text: str = ""
    terms: Terms = ()

    @model_validator(mode="before")
    @classmethod
    def _from_paragraph(cls, content: Any) -> Any:
        if isinstance(content, str):
            return {"text": content}
        if not isinstance(content, Mapping):
            return content
        return {name: value for name, value in content.items() if value is not None}

    @field_validator("general", mode="before")
    @classmethod
    def _from_object(cls, facts: Any) -> Any:
        return [{"key": key, "value": value} for key, value in facts.items()] if isinstance(facts, Mapping) else facts

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if len(self.text) + sum(len(fact.key) + len(fact.value) for fact in self.general) > MOST_CONTEXT_CHARACTERS:
            raise PydanticCustomError("context_length", f"has more than {MOST_CONTEXT_CHARACTERS} characters")
        return self

    @property
    def vocabulary(self) -> tuple[VocabularyTerm, ...]:
        """The terms, each once."""
        return tuple(VocabularyTerm(term, _TERM_WEIGHT) for term in self._terms())

    @property
    def names(self) -> tuple[VocabularyTerm, ...]:
        """Those in the text and the facts that are no terms; less is certain of them."""
        told = (*(fact.value for fact in self.general), self.text)
        found = dict.fromkeys(name for text in told for name in names_in(text) if len(name) <= MOST_TERM_CHARACTERS)
        terms = frozenset(self._terms())
        return tuple(VocabularyTerm(name, _NAME_WEIGHT) for name in found if name not in terms)

    def to_refinement(self) -> RefinementContext | None:
        """The same for the stages; None where nothing is said."""
        facts = tuple((fact.key.strip(), fact.value.strip()) for fact in self.general if fact.value.strip())
        context = RefinementContext(facts, self.text.strip(), self._terms())
        return None if context == RefinementContext() else context

    def _terms(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(term.strip() for term in self.terms if term.strip()))


class _Form(BaseModel):
    """Has the field, for the places in errors."""

    context: Context


@dataclass(frozen=True, slots=True)
class Heeded:
    """What of a context can be used: for the language model, for the rules; and what the caller should know."""

    refinement: RefinementContext | None = None
    vocabulary: tuple[VocabularyTerm, ...] = ()
    warnings: tuple[TranscriptionWarning, ...] = ()


def read_context(field: str) -> Context:
    """A form field.

    Raises:
        InvalidParameter: it begins like a JSON object, and is none.
        pydantic.ValidationError: a part of it is missing, or not what it should be.
    """
    try:
        content = from_json(field) if field.lstrip().startswith("{") else field
    except ValueError:
        raise InvalidParameter("context", "is neither a paragraph nor JSON") from None
    return _Form.model_validate({"context": content}).context


def heeded(context: Context | None, plan: Plan, settings: Settings, other_terms: int = 0) -> Heeded:
    """What of a context is used here.

    Raises:
        InvalidParameter: its terms are too many, beside so many ``other_terms`` of the caller.
    """
    asked = None if context is None else context.to_refinement()
    if context is None or asked is None:
        return Heeded()
    vocabulary = tuple(limited("context.terms", context.vocabulary, other_terms))
    has_more_than_terms = bool(asked.general or asked.text)
    if Feature.REFINEMENT not in plan.features:
        warnings = (_NOT_IN_PLAN,) if has_more_than_terms else ()
        return Heeded(None, vocabulary, warnings)
    if settings.refinement.llm is not None:
        return Heeded(asked, vocabulary)
    if not has_more_than_terms:
        return Heeded(None, vocabulary)
    return Heeded(asked, (*vocabulary, *context.names), (_NO_MODEL,))


_NO_MODEL = TranscriptionWarning(
    WarningCode.LLM_REFINEMENT_UNAVAILABLE,
    "This service has no language model: names were looked for and hesitations left out by rules alone",
)
_NOT_IN_PLAN = TranscriptionWarning(
    WarningCode.LLM_REFINEMENT_NOT_IN_PLAN,
    "The plan has no refinement by a language model: of context, only the terms are used",
)
