"""Callbacks: triggers by name, lazily found classes, filters."""

from __future__ import annotations

import math

import pytest

import ptutils as pt


class Trainer(pt.Module):
    """Never calls super().__init__(), and names its callback before it exists."""

    def __init__(self):
        self.callbacks.register_callback("NanDetector")

    def finish(self, loss):
        self.callbacks.call(self.callbacks.END_OF_TRAINING_STEP, training_loss=loss)


class NaNDetector(pt.Callback):
    END_OF_TRAINING_STEP = "end_of_training_step"

    def end_of_training_step(self, training_loss):
        if math.isnan(training_loss):
            raise ValueError("the loss is NaN")


def test_a_callback_defined_later_is_found_by_a_misspelt_case():
    trainer = Trainer()
    trainer.finish(1.0)
    assert isinstance(next(iter(trainer.callbacks)), NaNDetector)
    with pytest.raises(ValueError, match="the loss is NaN"):
        trainer.finish(float("nan"))


def test_an_unknown_name_is_an_error_at_once_with_the_nearest():
    with pytest.raises(KeyError, match="NaNDetector"):
        pt.Module().callbacks.register_callback("NaNDetecter")


def test_users_invent_triggers():
    class Mine(pt.Callback):
        MY_MOMENT = "my_moment"

        def __init__(self):
            self.seen = []

        def my_moment(self, value, missing=None):
            self.seen.append(value)

    module, mine = pt.Module(), Mine()
    module.callbacks.register_callback(mine)
    module.callbacks.call(module.callbacks.MY_MOMENT, value=3, dropped=4)
    module.callbacks.call("my_moment", value=5)
    assert mine.seen == [3, 5]
    with pytest.raises(AttributeError, match="my_moment"):
        module.callbacks.MY_MOMNT  # noqa: B018


def test_filters_every_at_before_after():
    seen: dict[str, list[int]] = {"every": [], "at": [], "before": [], "after": []}

    def watcher(name):
        return lambda step: seen[name].append(step)

    module = pt.Module()
    on = module.callbacks.on
    on("end_of_training_step", watcher("every"), every=3)
    on("end_of_training_step", watcher("at"), at="4 steps")
    on("end_of_training_step", watcher("before"), before=3)
    on("end_of_training_step", watcher("after"), after=8)
    for step in range(1, 11):
        module.callbacks.call("end_of_training_step", step=step)
    assert seen == {
        "every": [3, 6, 9],
        "at": [4],
        "before": [1, 2],
        "after": [8, 9, 10],
    }


def test_a_callback_without_a_trigger_is_refused():
    class Nothing(pt.Callback):
        pass

    with pytest.raises(ValueError, match="trigger"):
        pt.Module().callbacks.register_callback(Nothing())
    with pytest.raises(TypeError, match="int"):
        pt.Module().callbacks.register_callback(3)


def test_a_class_is_made_with_its_arguments():
    class Counts(pt.Callback):
        def __init__(self, start):
            self.n = start

        def end_of_epoch(self):
            self.n += 1

    module = pt.Module()
    module.callbacks.register_callback(Counts, start=5)
    module.callbacks.call("end_of_epoch")
    assert next(iter(module.callbacks)).n == 6
    assert module.state_dict()["callbacks"]["Counts"]["n"] == 6


def test_arguments_that_a_callback_does_not_take_are_an_error():
    class Taking(pt.Callback):
        def __init__(self, n: int) -> None:
            self.n = n

        def end_of_epoch(self) -> None:
            pass

    class Plain(pt.Callback):
        def end_of_epoch(self) -> None:
            pass

    callbacks = pt.Module().callbacks
    callbacks.register_callback(Taking, n=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'foo'"):
        callbacks.register_callback(Taking, foo=1)
    with pytest.raises(TypeError, match=r"\[Plain\] takes no arguments, not foo=1"):
        callbacks.register_callback(Plain, foo=1)


def test_only_a_function_runs_at_a_trigger():
    with pytest.raises(TypeError, match="callbacks.on.*an int is not a function"):
        pt.Module().callbacks.on("end_of_epoch", 3)


def test_a_trigger_that_nearly_has_a_known_name_is_warned_of_once(caplog):
    class Own(pt.Callback):
        ON_MY_THING = "on_my_thing"

        def on_my_thing(self) -> None:
            pass

    callbacks = pt.Module().callbacks
    callbacks.register_callback(Own)
    for _ in range(2):
        callbacks.on("end_of_trainig_step", lambda: None)
        callbacks.call("on_my_thin")
    callbacks.on("quite_another", lambda: None)
    callbacks.call("on_my_thing")
    callbacks.call("start_of_epoch")
    pt._core._log_flush()
    said = caplog.text
    for name, near in {
        "end_of_trainig_step": "end_of_training_step",
        "on_my_thin": "on_my_thing",
    }.items():
        assert said.count(f"'{name}' of itself; did you mean {near}") == 1
    assert said.count("callbacks:") == 2
