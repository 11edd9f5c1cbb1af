"""A loader's position: its state, its pickles, where a loop goes on."""

from __future__ import annotations

import pickle

import pytest
from test_loader import KINDS, Numbers, epoch, indices

from ptutils.data import DataLoader


@KINDS
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_state_goes_on_at_every_batch(make, num_workers: int) -> None:
    def new() -> DataLoader:
        return DataLoader(make(), 5, True, num_workers=num_workers, seed=4)

    reference = new()
    first, second = epoch(reference), epoch(reference)
    for at in range(5):
        loader = new()
        it = iter(loader)
        for _ in range(at):
            next(it)
        state = pickle.loads(pickle.dumps(dict(loader.state_dict())))
        assert [indices(batch) for batch in it] == first[at:]
        resumed = new()
        resumed.load_state_dict(state)
        assert epoch(resumed) == first[at:]
        assert epoch(resumed) == second
        loader.load_state_dict(state)  # where it came from, too
        assert epoch(loader) == first[at:]


def test_after_a_break_the_next_loop_is_a_new_epoch() -> None:
    reference = DataLoader(Numbers(), 5, True)
    _, second = epoch(reference), epoch(reference)
    loader = DataLoader(Numbers(), 5, True)
    for _ in loader:
        break
    assert epoch(loader) == second
    state = loader.state_dict()
    assert [state[k] for k in ("seed", "epoch", "batch", "given")] == [0, 2, 0, 0]


def test_loaders_are_pickled_with_their_position() -> None:
    loader = DataLoader(Numbers(), 5, True, num_workers=2)
    it = iter(loader)
    next(it)
    other = pickle.loads(pickle.dumps(loader))
    assert (other.batch_size, other.num_workers) == (5, 2)
    assert epoch(other) == [indices(batch) for batch in it]


def test_a_state_of_another_order_is_told(caplog) -> None:
    state = DataLoader(range(9), shuffle=True).state_dict()
    DataLoader(range(9), shuffle=True).load_state_dict(state)
    assert not caplog.records
    DataLoader(range(9)).load_state_dict(state)
    said = caplog.text
    assert "order of a ptutils.data.RandomSampler" in said and "Sequential" in said
    with pytest.raises(ValueError, match="seed -1 is not within"):
        DataLoader(range(9)).load_state_dict({**state, "seed": -1})


def test_an_epoch_that_is_over_is_over_with_any_batch_size(caplog) -> None:
    for first, then in ((4, 6), (6, 4), (7, 30), (4, 1)):
        loader = DataLoader(range(30), first)
        for _ in range(len(loader)):
            next(loader)
        again = DataLoader(range(30), then)
        again.load_state_dict(loader.state_dict())
        assert len(list(again)) == 0
        assert [int(i) for batch in again for i in batch] == list(range(30))
    assert not caplog.records
