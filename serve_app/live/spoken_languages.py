"""Which language a session's utterances were in, as far as that is known."""

from __future__ import annotations

from deployments.contracts import LanguageSpan


class SpokenLanguages:
    """Remembers the last two utterances, for the last one may be identified again when it goes on.

    Times count from the start of the stream; an utterance is known by its start.
    """

    def __init__(self) -> None:
        self._last: LanguageSpan | None = None
        self._last_but_one: LanguageSpan | None = None

    def remember(self, utterance: LanguageSpan) -> None:
        """What the whole utterance, or its end, was in; of an utterance known already, what is known now."""
        if self._last is not None and self._last.span.start_s < utterance.span.start_s:
            self._last_but_one = self._last
        self._last = utterance

    def of(self, start_s: float) -> str | None:
        """The language of the utterance that starts there, where it is known."""
        if self._last is None or self._last.span.start_s != start_s:
            return None
        return self._last.language

    def before(self, start_s: float) -> LanguageSpan | None:
        """The last known utterance that starts before."""
        known = (self._last, self._last_but_one)
        return next((span for span in known if span is not None and span.span.start_s < start_s), None)
