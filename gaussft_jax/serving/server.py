"""The application on a socket."""

import logging
import socket
import warnings
from contextlib import suppress

import numpy as np
import uvicorn
from PIL import Image

from gaussft_jax.inspection import Inspector
from gaussft_jax.serving.app import create_app
from gaussft_jax.serving.limits import Limits

__all__ = ["serve"]

_CONNECTIONS = 1000
_LAST = 5  # seconds that requests have to end once the server is stopped


def serve(inspector: Inspector, name: str, host: str, port: int, limits: Limits) -> None:
    """Serve until Ctrl-C.

    Args:
        inspector: what judges.
        name: of the detector, for the page.
        host: address to listen at.
        port: 0 for any that is free.
        limits: of a request.

    Raises:
        OSError: the address is not this machine's, or in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listening:
        size = inspector.detector.image_size
        for count in (1, 2):  # one alone and several are two compilations
            inspector.detector.predict(np.zeros((count, size, size, 3), np.uint8))
        # What a request does wrong it is told; whoever sends many of them fills no log.
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
        logging.getLogger("python_multipart").setLevel(logging.ERROR)
        config = uvicorn.Config(
            create_app(inspector, name, limits),
            log_level="warning",
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_LAST,
        )
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}"
        print(f"{name} at {address}; Ctrl-C ends it", flush=True)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run([listening])
