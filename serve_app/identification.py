"""Which language each speech region is in: what is asked of the language stage, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from deployments.calls import Deadline, call, retried
from deployments.contracts import LanguageDetection, LanguageSource, LanguageSpan, Segment, TimeSpan

Labels = tuple[LanguageSpan, ...]
"""A label for each region."""


async def labelled(
    identifier: Any,
    waveform: Any,
    regions: tuple[TimeSpan, ...],
    candidates: tuple[str, ...],
    before: LanguageSpan | None,
    deadline: Deadline,
) -> Labels:
    """The language of each region; the only candidate needs no model.

    Args:
        identifier: handle of the LanguageIdentifier.
        waveform: the recording, or a reference to it.
        regions: sorted; not empty.
        candidates: not empty.
        before: what was spoken before the first region, on the same clock.
        deadline: of the request.
    """
    if len(candidates) == 1:
        return tuple(LanguageSpan(region, candidates[0], 1.0) for region in regions)
    identified: Labels = await call(identifier.identify, waveform, regions, candidates, before, deadline=deadline)
    return tuple(_label(region, identified) for region in regions)


def labelled_in_turn(
    identifier: Any,
    waveform: Any,
    groups: Sequence[tuple[TimeSpan, ...]],
    candidates: tuple[str, ...],
    deadline: Deadline,
) -> list[asyncio.Future[Labels]]:
    """The labels of each group of a recording's regions, as tasks that are started; cancel them to stop.

    One group is identified after the other, each with the language that the one before ended in: a group's edge
    is no reason for a change. Recognition of the first can begin while later ones are identified.
    """

    async def label(group: tuple[TimeSpan, ...], previous: asyncio.Future[Labels] | None) -> Labels:
        before = None if previous is None else (await previous)[-1]
        return await retried(lambda: labelled(identifier, waveform, group, candidates, before, deadline))

    tasks: list[asyncio.Future[Labels]] = []
    for group in groups:
        tasks.append(asyncio.ensure_future(label(group, tasks[-1] if tasks else None)))
    return tasks


def detection_of(candidates: tuple[str, ...], chunks: int, segments: Sequence[Segment]) -> LanguageDetection:
    """How the languages of a recording came about, for which the language stage was asked about so many chunks.

    Where nobody speaks it is asked about none.
    """
    if len(candidates) == 1 or chunks == 0:
        return LanguageDetection(LanguageSource.FAST_PATH, candidates, 0)
    if len({segment.language for segment in segments}) > 1:
        source = LanguageSource.MIXED
    elif chunks > 1:
        source = LanguageSource.LONG_AUDIO_CHUNKED
    else:
        source = LanguageSource.LID_PER_SEGMENT
    return LanguageDetection(source, candidates, chunks)


def main_language(spans: Sequence[tuple[str, float]]) -> str | None:
    """Of languages and seconds, the one with the most; None without any."""
    seconds: dict[str, float] = {}
    for language, duration_s in spans:
        seconds[language] = seconds.get(language, 0.0) + duration_s
    return max(seconds, key=lambda language: seconds[language]) if seconds else None


def _label(region: TimeSpan, identified: Labels) -> LanguageSpan:
    """The identified language that covers most of a region."""

    def overlap_s(candidate: LanguageSpan) -> float:
        return min(region.end_s, candidate.span.end_s) - max(region.start_s, candidate.span.start_s)

    best = max(identified, key=overlap_s)
    return LanguageSpan(region, best.language, best.probability)
