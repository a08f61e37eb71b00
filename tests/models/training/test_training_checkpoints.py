"""Checkpoints of a Trainer: a killed training goes on to the same bits, nothing is overwritten."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from autograd.nn import mse
from autograd.optim import SGD, cosine
from models.command_line import InputError
from models.mlp import MLP
from models.runs.checkpoints import newest
from models.training import Callback, Checkpoints, EarlyStopping, Trainer

X = np.random.default_rng(1).normal(size=(300, 3)).astype(np.float32)
Y = X[:, :1] * X[:, 1:2]


def trainer(folder, *others, **options):
    model = MLP([3, 16, 1], "tanh", dropout=0.2)
    optimizer = SGD(model.parameters(), cosine(0.1, 90), 0.9)
    return Trainer(
        model, mse, optimizer, [EarlyStopping(patience=99), *others, Checkpoints(folder, **options)]
    )


def fit(one):
    return one.fit((X, Y), epochs=6, batch_size=20, validation=(X[:50], Y[:50]))


def weights(one):
    return [p.data.tobytes() for p in one.model.parameters()]


class Fail(Callback):
    """Something goes wrong after so many steps."""

    def __init__(self, after):
        self.after = after

    def steps(self, trainer):
        if trainer.place.step >= self.after:
            raise RuntimeError("something else went wrong")


class Written(Callback):
    """Each checkpoint is written before the next: one that waits gives way to it."""

    def epoch(self, trainer, epoch):
        trainer.callbacks[-1].writer.close()


def test_what_ended_by_an_error_goes_on_to_the_same_bits(tmp_path):
    whole = trainer(tmp_path / "whole")
    fit(whole)
    failing = trainer(tmp_path / "cut", Fail(40))
    with pytest.raises(RuntimeError, match="something else"):
        fit(failing)
    again = trainer(tmp_path / "cut", resume=True)  # the lock was let go
    history = fit(again)
    assert weights(again) == weights(whole)
    assert history.epochs[0].epoch > 1
    assert again.callbacks[0].state() == whole.callbacks[0].state()


def test_a_folder_with_checkpoints_is_not_overwritten(tmp_path):
    fit(trainer(tmp_path))
    before = sorted(os.listdir(tmp_path / "checkpoints"))
    with pytest.raises(ValueError, match="resume=True goes on"):
        fit(trainer(tmp_path))
    assert sorted(os.listdir(tmp_path / "checkpoints")) == before


def test_resume_in_an_empty_folder_begins_anew(tmp_path):
    assert fit(trainer(tmp_path / "new" / "deep", resume=True)).steps == 90
    assert fit(trainer(tmp_path / "new" / "deep", resume=True)).steps == 90  # it is done


def test_a_second_process_is_told(tmp_path):
    class Second(Callback):
        def begin(self, trainer):
            with pytest.raises(InputError, match="writes into this folder"):
                fit(globals()["trainer"](tmp_path, resume=True))

    one = trainer(tmp_path)
    one.callbacks.append(Second())
    fit(one)


def test_the_one_before_a_damaged_one_is_used_and_that_is_said(tmp_path, capsys):
    whole = trainer(tmp_path, Written())
    fit(whole)
    last = sorted((tmp_path / "checkpoints").iterdir())[-1]
    (last / "state.safetensors").write_bytes(b"?" * 100)
    again = trainer(tmp_path, resume=True)
    assert fit(again).epochs[0].epoch == 6
    assert weights(again) == weights(whole)
    assert f"warning: passed over: {last}" in capsys.readouterr().err


def test_the_last_k_are_kept_and_every_n_minutes_one_is_written(tmp_path):
    fit(trainer(tmp_path / "few", Written(), keep=2))
    assert len(list((tmp_path / "few" / "checkpoints").iterdir())) == 2
    found = []

    class Look(Callback):
        def steps(self, trainer):
            trainer.callbacks[-1].writer.close()
            checkpoint, _ = newest(tmp_path / "often" / "checkpoints")
            found.append(checkpoint is not None and checkpoint.state["position"] > 0)

    one = trainer(tmp_path / "often", minutes=0.0)
    one.callbacks.insert(0, Look())
    # Two looks at the validation set in an epoch: else a quick machine learns it in one piece.
    one.fit((X, Y), epochs=6, batch_size=20, validation=(X[:50], Y[:50]), checks=2)
    assert any(found)  # in the middle of an epoch


def test_a_folder_that_cannot_be_written_does_not_end_the_training(tmp_path, capsys):
    one = trainer(tmp_path)

    class Block(Callback):
        def begin(self, trainer):
            (tmp_path / "checkpoints").write_text("a file is where the folder should be")

    one.callbacks.append(Block())
    assert fit(one).reason == "finished"
    assert capsys.readouterr().err.count("cannot write") == 1


@pytest.mark.slow
def test_kill_9_at_any_moment(tmp_path):
    """Ten kills of one training; the last goes on to the bits of the one that was never killed."""
    script = textwrap.dedent("""
        import sys, time
        sys.path.insert(0, sys.argv[2])
        from test_training_checkpoints import trainer, fit, Callback
        class Slow(Callback):
            def steps(self, trainer): time.sleep(0.02)
        one = trainer(sys.argv[1], Slow(), resume=True, minutes=0.0005)
        print("begun", flush=True)
        fit(one)
        print(b"".join(p.data.tobytes() for p in one.model.parameters()).hex())
    """)
    command = [sys.executable, "-c", script, str(tmp_path / "run"), os.path.dirname(__file__)]
    generator = np.random.default_rng(0)
    for _ in range(10):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        try:
            process.wait(generator.uniform(0.05, 0.6))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
    whole = trainer(tmp_path / "whole")
    fit(whole)
    assert found == b"".join(weights(whole)).hex()
