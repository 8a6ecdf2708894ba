"""How an utterance sounds, asked beside its recognition."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

from deployments import service_log as log
from deployments.calls import Deadline, call
from deployments.contracts import Voiceprint, Waveform
from deployments.errors import RayscribeError
from serve_app.live.hearing import Excerpt, Heard
from serve_app.pipeline import StageHandles

# A final without a speaker is worth more than a late one. Recognition that takes longer gives the voice its time, too.
_VOICE_TIMEOUT_S = 1.0


async def with_voice(hearing: Awaitable[Heard], stages: StageHandles, excerpt: Excerpt, timeout_s: float) -> Heard:
    """What was heard, and whose voice it was, if that can be told in time.

    Args:
        hearing: the recognition of the excerpt.
        stages: the Diarizer is asked.
        excerpt: of the whole utterance.
        timeout_s: time in which the hearing ends at the latest.

    Raises:
        RayscribeError: the hearing failed. The voice is only left out.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + _VOICE_TIMEOUT_S
    asking = asyncio.create_task(_voice(stages, excerpt, timeout_s))
    try:
        heard = await hearing
        if heard.words:
            await asyncio.wait([asking], timeout=max(0.0, end_s - loop.time()))
        return replace(heard, voice=asking.result()) if asking.done() else heard
    finally:
        asking.cancel()
        await asyncio.wait([asking])


async def _voice(stages: StageHandles, excerpt: Excerpt, timeout_s: float) -> Voiceprint | None:
    try:
        voice: Voiceprint | None = await call(
            stages.diarizer.voiceprint, Waveform(excerpt.samples), deadline=Deadline(timeout_s)
        )
    except RayscribeError:
        return None
    except Exception as error:
        log.error("voice of a live utterance not told", error)
        return None
    return voice
