"""Up to where a session's words have gone out: what it is charged by."""

from __future__ import annotations

from serve_app.live.contracts import Final, LiveEvent, Partial


class WordsTold:
    """Follows the events of one session.

    A final has the last say about its utterance: what partial texts told of it counts only where none follows, because
    the utterance was cleared, or its client left. Otherwise who clears in time would be told everything for nothing.
    """

    def __init__(self) -> None:
        self.lost_s = 0.0
        self._end_s: float | None = None
        self._shown: Partial | None = None

    @property
    def answered_s(self) -> float:
        """The audio up to the last words, without what could not be recognised; 0 without words."""
        shown_s = 0.0 if self._shown is None else self._shown.end_s - self.lost_s
        return max(self._end_s or 0.0, shown_s)

    @property
    def has_words(self) -> bool:
        """Whether there are any."""
        return self._end_s is not None or self._shown is not None

    def take(self, event: LiveEvent) -> None:
        """The next event, in the order in which the client gets them."""
        if isinstance(event, Partial):
            self._leave_behind(event.utterance)
            self._shown = event
        elif isinstance(event, Final):
            self._leave_behind(event.utterance)
            if self._shown is not None and self._shown.utterance == event.utterance:
                self._shown = None
            if event.failure is not None:
                self.lost_s += event.end_s - event.start_s
            if event.words:
                # Polished, an utterance comes a second time, maybe behind the next one.
                self._reach(event.end_s)

    def _leave_behind(self, utterance: int) -> None:
        """Finals come in order: an utterance before this one gets none any more."""
        if self._shown is not None and self._shown.utterance < utterance:
            self._reach(self._shown.end_s)
            self._shown = None

    def _reach(self, end_s: float) -> None:
        self._end_s = max(self._end_s or 0.0, end_s - self.lost_s)
