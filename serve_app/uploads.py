"""Reads a request's form, with the size cap enforced on every chunk as it comes in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from deployments.errors import AudioTooLarge, InvalidParameter, MissingParameter

# Boundaries, headers and the small fields beside the file.
_FORM_OVERHEAD_BYTES = 1024 * 1024
_MAX_FIELDS = 50
_MAX_JSON_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class UploadedForm:
    """Text fields by name, and the audio part's bytes, uint8 [n]."""

    fields: dict[str, str]
    audio: npt.NDArray[np.uint8] | None


async def read_form(request: Request, audio_part: str, max_bytes: int) -> UploadedForm:
    """Read a multipart form whose file is the part named audio_part.

    Raises:
        AudioTooLarge: by its declared length before anything is read, or by count while reading.
        MissingParameter: the body is no multipart form.
        InvalidParameter: the form is broken, names a field twice, or sends the file as text or text as a file.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise MissingParameter(audio_part)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes + _FORM_OVERHEAD_BYTES:
        raise AudioTooLarge(max_bytes)
    parser = MultiPartParser(
        request.headers, _counted(request, max_bytes), max_files=2, max_fields=_MAX_FIELDS, max_part_size=64 * 1024
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise InvalidParameter("body", f"not a readable multipart form ({error.message})") from error
    try:
        return await _read(form, audio_part, max_bytes)
    finally:
        await form.close()


async def read_json_keys(request: Request) -> set[str]:
    """Names in a JSON object.

    Raises:
        InvalidParameter: no valid JSON, or more of it than a request needs.
    """
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > _MAX_JSON_BYTES:
            raise InvalidParameter("body", f"larger than {_MAX_JSON_BYTES} bytes")
    try:
        body = json.loads(content)
    except ValueError as error:
        raise InvalidParameter("body", "not valid JSON") from error
    return set(body) if isinstance(body, dict) else set()


async def _counted(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > max_bytes + _FORM_OVERHEAD_BYTES:
            raise AudioTooLarge(max_bytes)
        yield chunk


async def _read(form: FormData, audio_part: str, max_bytes: int) -> UploadedForm:
    fields: dict[str, str] = {}
    audio: npt.NDArray[np.uint8] | None = None
    for name, value in form.multi_items():
        if name in fields or (name == audio_part and audio is not None):
            raise InvalidParameter(name, "given twice")
        if isinstance(value, UploadFile):
            if name != audio_part:
                raise InvalidParameter(name, "is not a file")
            audio = await _bytes_of(value, max_bytes)
        elif name == audio_part:
            raise InvalidParameter(name, "must be sent as a file")
        else:
            fields[name] = value
    return UploadedForm(fields, audio)


async def _bytes_of(file: UploadFile, max_bytes: int) -> npt.NDArray[np.uint8]:
    if (file.size or 0) > max_bytes:
        raise AudioTooLarge(max_bytes)
    # A large part lies in a temporary file.
    content = await asyncio.to_thread(file.file.read)
    return np.frombuffer(content, np.uint8)
