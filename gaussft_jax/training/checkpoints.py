"""Checkpoints of the whole carry with Orbax: whole or not there."""

from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from gaussft_jax.training.state import TrainState

__all__ = ["Checkpoints"]


class Checkpoints:
    """The newest state of a run, in a folder; a save that is cut off leaves the one before.

    It is kept as plain arrays, so that any number of devices or processes can go on with it.
    """

    def __init__(self, folder: str | Path):
        self._manager = ocp.CheckpointManager(
            Path(folder).absolute(),
            options=ocp.CheckpointManagerOptions(
                max_to_keep=1, enable_async_checkpointing=False, cleanup_tmp_directories=True
            ),
        )

    def save(self, state: TrainState) -> None:
        """Keep `state`, in place of the one before."""
        self._manager.save(
            int(state.epoch) + 1, args=ocp.args.StandardSave(jax.tree.map(np.asarray, state))
        )

    def restore(self, like: TrainState) -> TrainState:
        """The newest state on the host, or `like` itself where there is none yet.

        Args:
            like: a state with the shapes and types of the saved one.

        Raises:
            ValueError: the saved one has others, as one of an earlier version of this package.
        """
        newest = self._manager.latest_step()
        if newest is None:
            return like
        wanted = ocp.args.StandardRestore(jax.tree.map(np.asarray, like))
        try:
            return self._manager.restore(newest, args=wanted)
        except ValueError as error:
            raise ValueError(
                f"{self._manager.directory} holds the state of another version or network: remove "
                "it to tune anew, or go on with the version that wrote it"
            ) from error

    def close(self) -> None:
        """Wait for what is being written."""
        self._manager.close()
