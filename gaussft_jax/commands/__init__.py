"""What the commands of `gaussft` do; each file holds one, with its arguments.

What a command needs is imported when it runs, so that `gaussft --help` waits for nothing.
"""

from gaussft_jax.commands import demo, doctor, evaluate, export, fit, info, predict, report

__all__ = ["COMMANDS"]

COMMANDS = (demo, fit, predict, evaluate, report, export, info, doctor)
