"""How much a request may bring, and its photographs, as far as they keep to it."""

import asyncio
from contextlib import suppress
from typing import NamedTuple

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect

from gaussft_jax.data import ImageError, pixel_count
from gaussft_jax.files import file_name
from gaussft_jax.serving.engine import Upload

__all__ = ["Limits", "uploads"]

_FORM = "multipart/form-data"


class Limits(NamedTuple):
    """What one request may bring at most.

    Attributes:
        megabytes: of its body.
        megapixels: of its photographs together.
        images: how many there are.
        seconds: that its body takes to arrive.
    """

    megabytes: float
    megapixels: float
    images: int
    seconds: float = 120.0


async def uploads(request: Request, limits: Limits) -> list[Upload]:
    """The photographs of a request, none of them decoded yet; nothing of it stays on the disk.

    Raises:
        HTTPException: 4xx with one line: too much, no form, no photograph, too slow.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise HTTPException(415, f"send the photographs as {_FORM}, in fields called images")
    try:
        async with (
            asyncio.timeout(limits.seconds),
            _bounded(request, limits).form(max_files=limits.images) as form,
        ):
            found = [
                Upload(file_name(file.filename or "image"), await file.read())
                for file in form.getlist("images")
                if isinstance(file, UploadFile)
            ]
    except TimeoutError as error:
        raise HTTPException(408, f"the body took more than {limits.seconds:g} s") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the connection ended within the body") from error
    if not found:
        raise HTTPException(422, "there is no file in a field called images")
    await asyncio.to_thread(_check_pixels, found, limits.megapixels)
    return found


def _check_pixels(found: list[Upload], megapixels: float) -> None:
    """Refuse photographs that are too large, by their headers: none is decoded for it."""
    pixels = 0
    for upload in found:
        with suppress(ImageError):  # which is said when it is read
            pixels += pixel_count(upload)
        if pixels > megapixels * 1e6:
            raise HTTPException(413, f"{upload}: more than {megapixels:g} megapixels in a request")


def _bounded(request: Request, limits: Limits) -> Request:
    """The request, which is refused as soon as its body is seen to be too large."""
    most = int(limits.megabytes * 1e6)
    refusal = HTTPException(413, f"the body is larger than {limits.megabytes:g} MB")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise refusal
    received = 0

    async def receive():
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > most:
            raise refusal
        return message

    return Request(request.scope, receive)
