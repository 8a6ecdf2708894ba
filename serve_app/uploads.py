"""Reads a request's body, with the size cap enforced on every chunk as it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from deployments.errors import AudioTooLarge, BodyTooSlow, InvalidParameter, MissingParameter
from serve_app.byte_budget import expect_bytes, receive_bytes
from serve_app.json_values import MOST_VALUES, has_too_many_values
from serve_app.settings import LimitSettings
from serve_app.vocabulary_limits import MOST_TERMS

# Boundaries, headers and the small fields beside the file.
_FORM_OVERHEAD_BYTES = 1024 * 1024
_MAX_FIELDS = 50
# A vocabulary in one field.
_MAX_FIELD_BYTES = 1024 * 1024
# A URL and some options.
_MAX_JSON_BYTES = 64 * 1024
_NOT_IN_CHARSET = "not in the charset that it names"


@dataclass(frozen=True, slots=True, eq=False)
class UploadedForm:
    """Text fields by name, the values of those that may be repeated, and the audio part's bytes, uint8 [n].

    A field that was left empty is not there.
    """

    fields: dict[str, str]
    lists: dict[str, list[str]]
    audio: npt.NDArray[np.uint8] | None


async def read_form(
    request: Request,
    limits: LimitSettings,
    audio_part: str,
    max_bytes: int,
    list_fields: frozenset[str] = frozenset(),
    older_audio_parts: frozenset[str] = frozenset(),
) -> UploadedForm:
    """Read a multipart form whose file is the part named audio_part, or by a name that it had before, whatever the part
    says of itself.

    Fields in list_fields may come more than once.

    Raises:
        AudioTooLarge: by its declared length before anything is read, or by count while reading.
        Overloaded: the same for the bytes that this process may hold at once.
        MissingParameter: the body is no multipart form.
        InvalidParameter: the form is broken or breaks off, names a field twice, or sends text as a file.
        BodyTooSlow: see LimitSettings.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise MissingParameter(audio_part)
    _check_declared(request, max_bytes, _FORM_OVERHEAD_BYTES)
    # A vocabulary in a list is a field for each term.
    max_fields = _MAX_FIELDS + (MOST_TERMS if list_fields else 0)
    chunks = _counted(_arriving(request, limits), max_bytes)
    audio_parts = older_audio_parts | {audio_part}
    parser = _FormParser(
        request.headers,
        chunks,
        audio_parts=audio_parts,
        max_files=2,
        max_fields=max_fields,
        max_part_size=_MAX_FIELD_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise InvalidParameter("body", f"not a readable multipart form ({error.message})") from error
    except UnicodeError as error:
        # Python has codecs that fail on any text, and a client may name one.
        raise InvalidParameter("body", _NOT_IN_CHARSET) from error
    try:
        if not parser.is_whole:
            raise InvalidParameter("body", "the multipart form breaks off before its last boundary")
        return await _read(form, audio_parts, max_bytes, list_fields)
    finally:
        await form.close()


async def read_json(request: Request, limits: LimitSettings, max_bytes: int = _MAX_JSON_BYTES) -> dict[str, Any]:
    """The JSON object in the body; an empty body is an empty object.

    Raises:
        InvalidParameter: no valid JSON, no object, or more of it than max_bytes or MOST_VALUES.
        Overloaded: this process holds as many bytes as it may.
        BodyTooSlow: see LimitSettings.
    """
    content = bytearray()
    async for chunk in _arriving(request, limits):
        receive_bytes(len(chunk))
        content += chunk
        if len(content) > max_bytes:
            raise InvalidParameter("body", f"larger than {max_bytes} bytes")
    try:
        text = content.decode("utf-8-sig")
        if has_too_many_values(text):
            raise InvalidParameter("body", f"more than {MOST_VALUES} values")
        body = from_json(text or "{}")
    except ValueError as error:
        raise InvalidParameter("body", "not valid JSON") from error
    if not isinstance(body, dict):
        raise InvalidParameter("body", "not a JSON object")
    return body


async def read_raw(request: Request, limits: LimitSettings, max_bytes: int) -> npt.NDArray[np.uint8]:
    """The body itself, uint8 [n]; n may be 0.

    Raises:
        AudioTooLarge: by its declared length before anything is read, or by count while reading.
        Overloaded: the same for the bytes that this process may hold at once.
        BodyTooSlow: see LimitSettings.
    """
    _check_declared(request, max_bytes)
    content = bytearray()
    async for chunk in _arriving(request, limits):
        receive_bytes(len(chunk))
        content += chunk
        if len(content) > max_bytes:
            raise AudioTooLarge(max_bytes)
    return np.frombuffer(content, np.uint8)


def check_url(request: Request, fields: Iterable[str]) -> None:
    """Refuse fields of a form that stand in the URL, where nobody reads them; what else stands there is not ours.

    Raises:
        InvalidParameter: one does.
    """
    for name in fields:
        if name in request.query_params:
            raise InvalidParameter(name, "goes into the body, not into the URL")


def is_json(request: Request) -> bool:
    """Whether the body says that it is JSON."""
    return _media_type(request) == "application/json"


def is_urlencoded(request: Request) -> bool:
    """Whether the body says that it is a form without files, as curl says of anything by default."""
    return _media_type(request) == "application/x-www-form-urlencoded"


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _check_declared(request: Request, max_bytes: int, overhead_bytes: int = 0) -> None:
    declared = request.headers.get("content-length", "")
    if not declared.isdecimal():
        return
    if int(declared) > max_bytes + overhead_bytes:
        raise AudioTooLarge(max_bytes)
    expect_bytes(int(declared))


class _FormParser(MultiPartParser):
    """One that knows which parts are files, and whether the form came to its end: Starlette gives what it has got."""

    is_whole = False

    def __init__(self, *args: Any, audio_parts: frozenset[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._audio_parts = audio_parts

    def on_headers_finished(self) -> None:
        # Starlette knows a file by its plain filename. Some clients give none, or one in RFC 8187's form alone.
        _, options = parse_options_header(self._current_part.content_disposition)
        if b"filename" not in options and options.get(b"name", b"").decode(errors="replace") in self._audio_parts:
            self._current_part.content_disposition = (self._current_part.content_disposition or b"") + b"; filename=a"
        super().on_headers_finished()

    def on_end(self) -> None:
        self.is_whole = True


async def _arriving(request: Request, limits: LimitSettings) -> AsyncGenerator[bytes, None]:
    """The body as it comes. A client that went without a word, or only ever sends a little, does not stay for ever."""
    now_s = asyncio.get_running_loop().time
    ends_at_s = now_s() + limits.request_timeout_s
    chunks = request.stream()
    while True:
        try:
            async with asyncio.timeout_at(min(now_s() + limits.body_silence_s, ends_at_s)):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise BodyTooSlow from None
        if chunk is None:
            return
        yield chunk


async def _counted(chunks: AsyncIterable[bytes], max_bytes: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in chunks:
        receive_bytes(len(chunk))
        received += len(chunk)
        if received > max_bytes + _FORM_OVERHEAD_BYTES:
            raise AudioTooLarge(max_bytes)
        yield chunk


async def _read(
    form: FormData, audio_parts: frozenset[str], max_bytes: int, list_fields: frozenset[str]
) -> UploadedForm:
    fields: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    audio: npt.NDArray[np.uint8] | None = None
    for name, value in form.multi_items():
        _check_text(name)
        if name in fields or (name in audio_parts and audio is not None):
            raise InvalidParameter(name, "given twice")
        if isinstance(value, UploadFile):
            if name not in audio_parts:
                raise InvalidParameter(name, "is not a file")
            audio = await _bytes_of(value, max_bytes)
        elif not value.strip():
            # Many forms send all of their fields, filled in or not.
            continue
        else:
            _check_text(value)
            if name in list_fields:
                lists.setdefault(name, []).append(value)
            else:
                fields[name] = value
    return UploadedForm(fields, lists, audio)


def _check_text(text: str) -> None:
    """Some charsets that a client may name, like UTF-7, have halves of characters: no answer can hold one."""
    try:
        text.encode()
    except UnicodeError:
        raise InvalidParameter("body", _NOT_IN_CHARSET) from None


async def _bytes_of(file: UploadFile, max_bytes: int) -> npt.NDArray[np.uint8]:
    if (file.size or 0) > max_bytes:
        raise AudioTooLarge(max_bytes)
    # A large part lies in a temporary file.
    content = await asyncio.to_thread(file.file.read)
    return np.frombuffer(content, np.uint8)
