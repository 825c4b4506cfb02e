"""HTML templates: everything is escaped, and a name that is not given is an error."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

__all__ = ["csp_hash", "template"]


def template(path: Path, **filters: Callable) -> Template:
    """The Jinja template of a file.

    Args:
        path: of the template.
        filters: functions that it calls by name.
    """
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(path.name)


def csp_hash(text: str) -> str:
    """The source by which a Content-Security-Policy allows an inline script or style."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
