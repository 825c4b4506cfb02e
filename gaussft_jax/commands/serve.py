"""`gaussft serve`: a page and an endpoint on which a detector judges photographs."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gaussft_jax.commands.extras import extra
from gaussft_jax.commands.predict import add_alpha

HELP = "judge photographs that are dropped on a page, or sent by a program"


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument("model", type=Path, help="folder that `gaussft fit` wrote")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; default: %(default)s, which other machines do not reach. "
        "Whoever reaches it may use it",
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="0 takes a free one; default: %(default)s"
    )
    add_alpha(parser)
    for name, kind, default, what in (
        ("megabytes", float, 32, "size of a request"),
        ("megapixels", float, 50, "pixels of its photographs together, in millions"),
        ("images", int, 16, "how many photographs it brings"),
    ):
        parser.add_argument(
            f"--max-{name}", type=kind, default=default, help=f"{what}; default: %(default)s"
        )


def run(options: Namespace) -> int:
    """Serve a page and the endpoint /judge until Ctrl-C; /openapi.json describes it."""
    with extra("serve"):
        import fastapi  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401

    from gaussft_jax.inspection import Inspector
    from gaussft_jax.serving import Limits, serve

    inspector = Inspector.load(options.model, options.alpha)
    limits = Limits(options.max_megabytes, options.max_megapixels, options.max_images)
    name = options.model.resolve().name
    serve(inspector, name, options.host, options.port, limits)
    return 0
