"""A language model behind OpenAI's chat completions.

The answer is held to a JSON schema by ``response_format``, which vLLM, Ray Serve LLM, llama.cpp and OpenAI honour; a
server that does not is caught by the reader of the answer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deployments import service_log as log
from deployments.errors import DeadlineExceeded, EngineUnavailable, ServiceUnavailable
from deployments.refinement.polish.edits import ANSWER_SCHEMA, UnreadableAnswer
from deployments.refinement.polish.measured import UNOBSERVED, ModelObserver
from deployments.refinement.polish.model import Prompt
from deployments.refinement.polish.options import EndpointOptions

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

# A dropped connection or a 5xx may be over at once; more would only eat up the time of the other passages.
_RETRIES = 1


class EndpointModel:
    """Implements LanguageModel with the ``openai`` client.

    Raises:
        EngineUnavailable: the client is not installed, or the variable with the key is not set.
    """

    def __init__(
        self,
        options: EndpointOptions,
        environment: Mapping[str, str] = os.environ,
        observer: ModelObserver = UNOBSERVED,
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise EngineUnavailable("A language model endpoint needs openai: install rayscribe[llm]") from error
        self._options = options
        self._observer = observer
        self._openai = openai
        self._calls = asyncio.Semaphore(options.concurrent_calls)
        self._client = openai.AsyncOpenAI(
            base_url=options.url, api_key=_key(options, environment), max_retries=_RETRIES
        )

    async def complete(self, prompt: Prompt, *, max_tokens: int, timeout_s: float) -> str:
        """See LanguageModel."""
        openai = self._openai
        try:
            async with self._calls:
                completion = await self._completion(prompt, max_tokens, timeout_s)
        except openai.APITimeoutError:
            raise DeadlineExceeded("The language model did not answer in time") from None
        except openai.OpenAIError as error:
            status = getattr(error, "status_code", None)
            log.warning("language model endpoint failed", failure=type(error).__name__, http_status=status)
            # Not chained: the error holds the request, and that the key.
            raise ServiceUnavailable("The language model cannot be reached") from None
        if usage := completion.usage:
            self._observer.spent(usage.prompt_tokens or 0, usage.completion_tokens or 0)
        return _text(completion)

    async def _completion(self, prompt: Prompt, max_tokens: int, timeout_s: float) -> ChatCompletion:
        return await self._client.chat.completions.create(
            model=self._options.model,
            messages=[{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}],
            temperature=0,
            max_tokens=max_tokens,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "edits", "strict": True, "schema": dict(ANSWER_SCHEMA)},
            },
            timeout=timeout_s,
        )


def _key(options: EndpointOptions, environment: Mapping[str, str]) -> str:
    if options.api_key_env is None:
        # The client insists on one; servers without keys read none.
        return "none"
    key = environment.get(options.api_key_env)
    if not key:
        raise EngineUnavailable(f"The key of the language model is missing: set {options.api_key_env}")
    return key


def _text(completion: ChatCompletion) -> str:
    """The answer, if it is whole. Servers that are not OpenAI's leave out what its types promise."""
    if not completion.choices:
        raise UnreadableAnswer("no answer")
    choice = completion.choices[0]
    if choice.finish_reason != "stop" or not choice.message.content:
        raise UnreadableAnswer(f"the answer ended with {choice.finish_reason}")
    return choice.message.content
