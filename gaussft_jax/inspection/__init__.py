"""Images from anywhere, inspected as they come: one road for `gaussft predict` and `serve`.

Two modules are imported apart: `inspection.arrivals` needs the extra `serve`, `inspection.bulk`
the extra `ray`.
"""

from gaussft_jax.inspection.inspector import Inspected, Inspector
from gaussft_jax.inspection.named import named_images
from gaussft_jax.inspection.verdict import Verdict

__all__ = ["Inspected", "Inspector", "Verdict", "named_images"]
