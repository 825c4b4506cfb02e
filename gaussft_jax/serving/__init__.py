"""A page and an endpoint that judge uploaded photographs; needs the extra `serve`."""

from gaussft_jax.serving.app import create_app
from gaussft_jax.serving.limits import Limits
from gaussft_jax.serving.server import serve

__all__ = ["Limits", "create_app", "serve"]
