"""What each process is given and what it is refused; in one process, several are made believe."""

import numpy as np
import pytest
from tqdm import tqdm

from gaussft_jax import parallel


def test_some_of_the_three_are_not_enough():
    with pytest.raises(ValueError, match=r"processes=None.*give all three, or --cluster"):
        parallel.initialize("127.0.0.1:1234", process_id=0)


def test_a_process_number_outside_the_run_is_refused():
    with pytest.raises(ValueError, match="process_id=2: 2 processes count from 0"):
        parallel.initialize("127.0.0.1:1234", 2, 2)


def test_a_run_alone_decides_and_fails_by_itself():
    parallel.initialize()
    assert parallel.is_primary()
    assert parallel.broadcast(True) is True
    with pytest.raises(KeyError), parallel.abort_on_error():
        raise KeyError


@pytest.mark.parametrize("process", [0, 1])
def test_only_the_first_process_draws_bars(monkeypatch, capsys, process):
    monkeypatch.setattr(tqdm, "__init__", tqdm.__init__)  # put back afterwards
    monkeypatch.setattr("jax.distributed.initialize", lambda *_, **__: None)
    monkeypatch.setattr("jax.process_index", lambda: process)
    parallel.initialize("127.0.0.1:1234", 2, process)
    assert list(tqdm(range(3), "fit")) == [0, 1, 2]
    with tqdm(total=2, desc="read", disable=False) as bar:
        bar.update(2)
        bar.set_postfix(loss=1)
    drawn = capsys.readouterr().err
    assert ["fit" in drawn, "read" in drawn] == [process == 0] * 2


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
def test_shares_keep_every_image_once_and_in_order(monkeypatch, rng, processes):
    """Each process's part of a subset, put together as the devices have it, is the subset."""
    images = rng.integers(0, 255, (11, 4, 4, 3)).astype(np.uint8)
    chosen = rng.permutation(11)[:7]
    monkeypatch.setattr("jax.process_count", lambda: processes)
    parts = []
    for process in range(processes):
        monkeypatch.setattr("jax.process_index", lambda process=process: process)
        share = parallel.share(images)[chosen]
        assert len(share) == 7
        rows = share.rows()
        parts.append(rows.images)
    whole = np.concatenate(parts)
    assert len({len(part) for part in parts}) == 1
    np.testing.assert_array_equal(whole[rows.place], images[chosen])


def test_batches_have_one_shape_and_mark_what_is_real(rng):
    images = rng.integers(1, 255, (7, 4, 4, 3)).astype(np.uint8)
    batches = list(parallel.share(images).batches(3))
    assert {batch.shape for batch, _ in batches} == {(3, 4, 4, 3)}
    kept = np.concatenate([np.asarray(batch)[np.asarray(valid)] for batch, valid in batches])
    np.testing.assert_array_equal(kept, images)
    assert not np.asarray(batches[-1][0])[1:].any()
