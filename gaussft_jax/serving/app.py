"""The application: a page, an endpoint that judges, its schema, a health check."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException

from gaussft_jax.inspection import Inspector
from gaussft_jax.serving.answers import FORM, Answer, Health, Refusal
from gaussft_jax.serving.engine import Engine
from gaussft_jax.serving.limits import Limits, uploads
from gaussft_jax.serving.page import render_page

__all__ = ["create_app"]

AT_ONCE = 32  # requests whose photographs are in memory; the others wait, their bodies unread


def create_app(inspector: Inspector, name: str, limits: Limits) -> FastAPI:
    """The application, for any ASGI server.

    It reads and writes no file, and keeps nothing of a request.

    Args:
        inspector: what judges.
        name: of the detector, for the page.
        limits: of a request.
    """
    engine, turns = Engine(inspector), asyncio.Semaphore(AT_ONCE)
    page, headers = render_page(inspector, name, limits)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with engine:
            yield

    # The framework's own pages of documentation load scripts from elsewhere.
    app = FastAPI(
        title=f"gaussft: {name}",
        version=version("gaussft_jax"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )

    @app.exception_handler(AnyHTTPException)
    async def refuse(_: Request, error: AnyHTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def show() -> HTMLResponse:
        return HTMLResponse(page, headers=headers)

    @app.get("/health", responses={503: {"model": Refusal}})
    async def health() -> Health:
        """Whether the server judges."""
        if not engine.alive:
            raise HTTPException(503, "the detector has stopped: start the server again")
        return Health(status="ok")

    @app.post(
        "/judge",
        response_model=Answer,
        response_model_exclude_unset=True,
        openapi_extra={"requestBody": FORM},
        responses={code: {"model": Refusal} for code in (400, 408, 413, 415, 422, 503)},
    )
    async def judge(request: Request):
        """Judge photographs; 422 where none of them can be read."""
        async with turns:
            given = await uploads(request, limits)
            answers = [asyncio.wrap_future(engine.submit(upload)) for upload in given]
            try:
                images = await asyncio.gather(*answers)
            except RuntimeError as error:
                raise HTTPException(503, f"the detector failed: {error}") from error
        if all("error" in image for image in images):
            raise HTTPException(422, images[0]["error"])
        return {"alpha": inspector.alpha, "images": images}

    return app
