"""What the commands of `gaussft` do; each file holds one, with its arguments.

What a command needs is imported when it runs, so that `gaussft --help` waits for nothing.
"""

from gaussft_jax.commands import (
    compare,
    demo,
    doctor,
    evaluate,
    export,
    fit,
    info,
    predict,
    report,
    serve,
)

__all__ = ["COMMANDS"]

COMMANDS = (demo, fit, predict, serve, evaluate, compare, report, export, info, doctor)
