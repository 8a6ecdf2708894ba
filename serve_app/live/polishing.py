"""Has a language model polish what was said, after the client has it as it was recognised."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from deployments import service_log as log
from deployments.calls import Deadline, call
from deployments.contracts import Refined, RefinementTask, Segment, TranscriptionWarning, WarningCode
from deployments.errors import RayscribeError
from deployments.text_joining import joined_words
from serve_app.live.contracts import Final
from serve_app.pipeline import StageHandles

Polish = Callable[[Final], Coroutine[Any, Any, Final]]
"""Takes a final with words, and gives it polished. It does not fail: a final that cannot be polished stays."""

# The stage ends the polish by itself; this is for the way there and back.
_MARGIN_S = 2.0

_UNAVAILABLE = TranscriptionWarning(
    WarningCode.LLM_REFINEMENT_UNAVAILABLE,
    "The language model failed, or did not answer in time: text stays as it was recognised",
)


class StagePolish:
    """Implements Polish over the Refiner.

    Args:
        stages: the Refiner is asked.
        task: has a context, and the time for one final.
    """

    def __init__(self, stages: StageHandles, task: RefinementTask) -> None:
        self._stages = stages
        self._task = task

    async def __call__(self, final: Final) -> Final:
        """See Polish."""
        segment = Segment(final.start_s, final.end_s, final.text, final.language or "", final.words, final.speaker)
        deadline = Deadline(self._task.polish_timeout_s + _MARGIN_S)
        try:
            refined: Refined = await call(self._stages.refiner.polish, (segment,), self._task, deadline=deadline)
        except RayscribeError:
            return _unpolished(final)
        except Exception as error:
            log.error("live utterance not polished", error)
            return _unpolished(final)
        words = tuple(word for segment in refined.segments for word in segment.words)
        return replace(
            final,
            text=joined_words(word.text for word in words),
            words=words,
            polished=refined.polished,
            warnings=(*final.warnings, *refined.warnings),
        )


def _unpolished(final: Final) -> Final:
    return replace(final, warnings=(*final.warnings, _UNAVAILABLE))
