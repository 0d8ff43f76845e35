"""A training under a claim: when it saves because it is asked to stop, and that it saves nothing once lost."""

import os
from types import SimpleNamespace

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from kinj import claims
from kinj.claims import ClaimLostError
from kinj_training.run.stopping import StopWhenAsked


@pytest.fixture
def claim(tmp_path, monkeypatch):
    with claims.take(tmp_path) as claim:
        for name, value in claim.environment.items():
            monkeypatch.setenv(name, value)
        yield claim


@pytest.fixture
def callback():
    return StopWhenAsked(SimpleNamespace(accelerator=SimpleNamespace(num_processes=1)))


def end_step(callback, epoch, **control):
    """What is to be done after a step that ends at that part of an epoch."""
    asked = TrainerControl(**control)
    callback.on_step_end(TrainingArguments(), TrainerState(epoch=epoch, global_step=7), asked)
    return asked


def test_it_goes_on_as_long_as_nobody_asks(claim, callback):
    assert not end_step(callback, 0.5).should_save
    assert end_step(callback, 0.5, should_save=True).should_save
    callback.on_save(TrainingArguments(), TrainerState(), TrainerControl())


def test_asked_to_stop_it_saves_after_the_step_and_ends(claim, callback):
    claim.ask_to_stop()
    assert end_step(callback, 0.5).should_save
    with pytest.raises(SystemExit) as ended:
        callback.on_save(TrainingArguments(), TrainerState(global_step=7), TrainerControl())
    assert ended.value.code == claims.STOPPED == 75


@pytest.mark.parametrize("control", [{}, {"should_training_stop": True}])
def test_at_the_end_of_an_epoch_it_saves_only_once_that_is_evaluated(claim, callback, control):
    claim.ask_to_stop()
    assert not end_step(callback, 1.5 if control else 2.0, **control).should_save
    after = TrainerControl()
    callback.on_epoch_end(TrainingArguments(), TrainerState(), after)
    assert after.should_save


def test_once_lost_it_saves_nothing(claim, callback, tmp_path):
    [file] = tmp_path.glob("claim-*")
    os.utime(file, (0, 0))
    with claims.take(tmp_path):
        assert not end_step(callback, 0.5).should_save
        with pytest.raises(ClaimLostError):
            end_step(callback, 0.5, should_save=True)


def test_without_a_claim_nothing_is_changed(callback):
    assert not end_step(callback, 0.5).should_save
    assert end_step(callback, 1.0, should_save=True).should_save
