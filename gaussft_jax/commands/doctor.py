"""`gaussft doctor`: whether this machine has what is needed, and whether it computes correctly."""

import json
from argparse import ArgumentParser, Namespace

from gaussft_jax.commands.networks import described

HELP = "check devices, versions, weights and cache, and run a self-test"


def arguments(parser: ArgumentParser) -> None:
    """Add what the command understands."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: Namespace) -> int:
    """Print the findings; the status is 1 where the self-test fails."""
    import jax

    from gaussft_jax.files import cache_folder
    from gaussft_jax.versions import versions

    error = _self_test()
    findings = {
        "versions": versions(),
        "devices": [f"{device.device_kind} ({device.platform})" for device in jax.devices()],
        "cache": str(cache_folder()),
        "networks": dict(described()),
        "self_test": error or "passed",
    }
    if options.json:
        print(json.dumps(findings, indent=2))
    else:
        for field, value in findings.items():
            rows = value.items() if isinstance(value, dict) else [("", value)]
            for name, text in rows:
                print(f"{field.replace('_', ' '):>10}  {name:<28} {text}".rstrip())
    return 1 if error else 0


def _self_test() -> str | None:
    """What is wrong with the computed distances, compared with NumPy in float64."""
    import jax.numpy as jnp
    import numpy as np

    from gaussft_jax.gaussian import fit_gaussians, ledoit_wolf, mahalanobis_map, residuals

    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 4, 4, 8)) @ rng.normal(size=(8, 8))
    features = jnp.asarray(x, jnp.float32)
    valid = jnp.ones(len(x), bool)
    (gaussian,) = fit_gaussians(lambda: iter([((features,), valid)]), "tied")
    mean = np.asarray(features, np.float64).mean(0)
    sigma = np.asarray(ledoit_wolf(residuals(features, valid, mean, kind="tied"))[0])
    centred = np.asarray(features, np.float64) - mean
    inverse = np.linalg.inv(sigma)
    expected = np.sqrt(np.einsum("nhwc,cd,nhwd->nhw", centred, inverse, centred))
    worst = np.abs(np.asarray(mahalanobis_map(gaussian, features)) / expected - 1).max()
    return None if worst < 1e-4 else f"distances are wrong by {worst:.1e}"
