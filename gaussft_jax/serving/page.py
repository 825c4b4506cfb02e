"""The page on which photographs are dropped: one HTML text that needs nothing from elsewhere."""

from pathlib import Path

from gaussft_jax.inspection import Inspector
from gaussft_jax.report import STYLE, csp_hash, template
from gaussft_jax.serving.limits import Limits

__all__ = ["rates", "render_page"]

_STEPS = (1, 1.5, 2, 3, 5, 7)
_LARGEST = 0.5


def render_page(inspector: Inspector, name: str, limits: Limits) -> tuple[str, dict[str, str]]:
    """The page, and the headers that keep it to itself.

    Args:
        inspector: what judges.
        name: of the detector.
        limits: of a request.
    """
    here = Path(__file__).parent
    style = STYLE.read_text("utf-8") + (here / "page.css").read_text("utf-8")
    script = (here / "page.js").read_text("utf-8")
    page = template(here / "page.html.j2").render(
        name=name,
        detector=inspector.detector,
        alpha=inspector.alpha,
        rates=rates(inspector),
        limits=limits,
        style=style,
        script=script,
    )
    policy = {
        "default-src": "'none'",
        "script-src": csp_hash(script),
        "style-src": csp_hash(style),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return page, {
        "Content-Security-Policy": "; ".join(f"{what} {who}" for what, who in policy.items()),
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def rates(inspector: Inspector) -> list[float]:
    """The false-alarm rates that the slider offers, from the smallest that can be told to 50 %.

    They are the very numbers that p-values are compared with: a logarithm and back is not.
    """
    smallest = inspector.detector.smallest_rate
    if not smallest:
        return []
    round_ones = {float(f"{step}e{power}") for power in range(-9, 0) for step in _STEPS}
    offered = {rate for rate in round_ones if smallest <= rate <= _LARGEST}
    return sorted(offered | {smallest, inspector.alpha})
