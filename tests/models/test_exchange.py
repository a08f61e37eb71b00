"""What other programs read: ONNX, run by onnxruntime, and weights that PyTorch loads and saves."""

import errno
import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, load_file, save, save_file

import autograd as ag
import data
from autograd import Tensor, jit
from autograd.nn import (
    ACTIVATIONS,
    Activation,
    BatchNorm,
    Dropout,
    LayerNorm,
    Linear,
    Module,
    Sequential,
    cross_entropy,
)
from autograd.optim import SGD
from models.exchange import NODES, ExportError, to_onnx
from models.mlp import MLP
from models.mnist.cli import main
from tests.corpus import Block
from tests.few import few
from tests.programs import rounding

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SHAPE, CLASSES = (3, 4), tuple("abcde")


def images(n, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape)).astype(np.uint8)


def run(content, x):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": x})
    return logits


def same(model, shape=SHAPE, classes=CLASSES, scale=255.0):
    """The model's ONNX gives its logits, but for the rounding of both; gives the ONNX."""
    content = to_onnx(model, shape, scale, classes)
    model.eval()
    for n in (1, 7):
        x = images(n, shape)
        ours = model(Tensor((x.astype(np.float32) / np.float32(scale)).reshape(n, -1), True))
        theirs = run(content, x)
        assert theirs.dtype == ours.dtype
        for at in np.ndindex(ours.shape):
            # Each of the two may be so far from the exact logit as its operations round.
            assert abs(theirs[at] - ours.data[at]) <= 2 * rounding(ours[at])
    return content


class Calls(Module):
    """A function as a model."""

    def __init__(self, function):
        self.function = function

    def forward(self, x):
        return self.function(x)


# --- the same logits -----------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [[], [8], [9, 1, 6]])
def test_an_mlp_gives_the_same_logits_elsewhere(activation, hidden):
    same(MLP([12, *hidden, 5], activation, seed=3, dropout=0.4))


@pytest.mark.parametrize("shape", [(12,), (28, 28), (2, 3, 2)])
def test_images_of_any_shape_are_flattened(shape):
    same(MLP([int(np.prod(shape)), 7, 5], seed=1), shape, scale=16.0)


def trained(model, steps=5):
    """The model after some steps, so that no scale, shift or average is what it began with."""
    optimizer = SGD(model.parameters(), lr=0.1)
    for seed in range(steps):
        x = images(20, seed=seed).reshape(20, -1).astype(np.float32) / 255
        loss = cross_entropy(model(x), np.arange(20) % len(CLASSES))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def test_norms_and_dropout_are_written_as_they_are_in_evaluation():
    model = Sequential(
        *(Linear(12, 8), BatchNorm(8), Activation("gelu"), Dropout(0.5)),
        *(Linear(8, 6), LayerNorm(6), Activation("tanh"), Linear(6, 5)),
    )
    same(trained(model))


def test_a_model_within_a_model_and_one_of_images_too():
    class Images(Module):
        """Batch norm of channels, with names of its own."""

        def __init__(self):
            self.norm, self.head = BatchNorm(3), MLP([12, 5], seed=2)
            self.blocks = [Sequential(Linear(12, 12)), Sequential(Linear(12, 12))]

        def forward(self, x):
            x = self.norm(x.reshape(len(x), 3, 4)).reshape(-1, 12)
            for block in self.blocks:
                x = x + block(x).tanh()
            return self.head(x)

    made = onnx.load_from_string(same(trained(Images())))
    names = {array.name for array in made.graph.initializer}
    assert {"norm.running_mean", "head.0.weight", "blocks.1.0.bias"} <= names


def test_attention_is_written_too():
    """Nobody told ONNX of it: it is reshapes, products and a softmax."""

    class Attending(Module):
        """A transformer's block on rows of 6."""

        def __init__(self):
            self.block = Block(6, 2, np.float32, np.random.default_rng(0))
            self.head = Linear(12, 5)

        def forward(self, x):
            return self.head(self.block(x.reshape(-1, 2, 6)).reshape(len(x), 12))

    same(Attending())


def test_float64_and_float32_images_stay_what_they_are():
    wide = MLP([12, 5], seed=1, dtype=np.float64)
    assert same(wide)
    x = np.random.default_rng(0).normal(size=(7, *SHAPE)).astype(np.float32)
    content = to_onnx(wide, SHAPE, 2.0, CLASSES, dtype=np.float32)
    judge = wide(x.reshape(7, -1) / np.float32(2.0)).data
    np.testing.assert_allclose(run(content, x), judge, rtol=0, atol=1e-14)


W = np.linspace(-1, 1, 60, dtype=np.float32).reshape(12, 5)
OPERATIONS = {  # of x, (n, 12) in [0, 1], to (n, 5)
    "abs": lambda x: abs(x @ W),
    "add": lambda x: x @ W + 1,
    "cast": lambda x: ((3 * x) @ W).astype(np.int64).astype(np.float32),
    "concatenate": lambda x: ag.concatenate([x @ W[:, :2], x @ W[:, 1:4]], axis=1),
    "cos": lambda x: ag.cos(x @ W),
    "detach": lambda x: ag.detach(x @ W),
    "div": lambda x: (x @ W) / (1.0 + x @ abs(W)),
    "equal": lambda x: ag.equal(ag.relu(x @ W), 0).astype(np.float32),
    "exp": lambda x: ag.exp(x @ W),
    "greater": lambda x: ag.where(ag.greater(x @ W, np.float64(0.1)), x @ W, 2),
    "greater_equal": lambda x: ag.where(x @ W >= x @ -W, x @ W, x @ -W),
    "identity": lambda x: ag.ops.identity(x @ W),
    "less": lambda x: ag.where(ag.less(x @ W, 0.1), x @ W, 0.0),
    "less_equal": lambda x: ag.where(x @ W <= np.arange(5), 1.0, x @ W),
    "log": lambda x: ag.log(1.0 + x @ abs(W)),
    "log_softmax": lambda x: ag.log_softmax(x @ W),
    "logical_and": lambda x: ag.logical_and(x @ W > 0, x @ W < 0.5) * 1.0,
    "logical_not": lambda x: ag.logical_not(x @ W > 0).astype(np.float32),
    "logical_or": lambda x: ag.logical_or(x @ W < 0, x @ W > 0.5) * 1.0,
    "logical_xor": lambda x: ag.logical_xor(x @ W > 0, x @ W > 0.5) * 1.0,
    "logsumexp": lambda x: x @ W - ag.logsumexp(x @ W, 1, keepdims=True),
    "matmul": lambda x: ag.matmul(x, W),
    "max": lambda x: x @ W - (x @ W).max(-1, keepdims=True),
    "maximum": lambda x: ag.maximum(x @ W, 0.3),
    "min": lambda x: x @ W - (x @ W).min(1).reshape(-1, 1),
    "minimum": lambda x: ag.minimum(x @ W, x @ -W),
    "mul": lambda x: 2 * (x @ W) * np.arange(5.0),
    "neg": lambda x: -(x @ W),
    "power": lambda x: (1.0 + x @ abs(W)) ** 1.5,
    "relu": lambda x: ag.relu(x @ W),
    "reshape": lambda x: (x.reshape(-1, 4, 3) @ W[:3]).sum(1),
    "sigmoid": lambda x: ag.sigmoid(x @ W),
    "sin": lambda x: ag.sin(x @ W),
    "softplus": lambda x: ag.softplus(x @ W),
    "sqrt": lambda x: ag.sqrt(1.0 + x @ abs(W)),
    "sub": lambda x: 1 - x @ W,
    "sum": lambda x: x @ W + ag.sum(x > 0.5, 1, keepdims=True) * np.float32(1) + ag.sum(x, ()) @ W,
    "tanh": lambda x: ag.tanh(x @ W),
    "transpose": lambda x: (W.T @ x.T).T,
    "where": lambda x: ag.where(x @ W > 0, x @ W, W[0]),
}


@pytest.mark.parametrize("name", NODES)
def test_every_line_of_the_table_computes_what_the_primitive_does(name):
    model = Calls(lambda x: OPERATIONS[name](x) + x @ W)  # comparisons alone have no gradient
    step = jit(lambda x: model(x))
    step(np.ones((2, 12), np.float32))
    (program,) = step.programs
    assert name in {operation.primitive.name for operation in program.steps}
    same(model)


# --- the file ------------------------------------------------------------------------------------


def test_the_file_says_what_it_is_of():
    model = MLP([12, 8, 5], seed=0)
    made = onnx.load_from_string(to_onnx(model, SHAPE, 255.0, ["zero", "ü", "", "d", "e"]))
    onnx.checker.check_model(made, full_check=True)
    notes = {note.key: note.value for note in made.metadata_props}
    assert json.loads(notes["classes"]) == ["zero", "ü", "", "d", "e"]
    assert json.loads(notes["sizes"]) == [12, 8, 5]
    assert notes["engine"].startswith("chainrule")
    (taken,), (given,) = made.graph.input, made.graph.output
    for end, name, sizes in ((taken, "images", [3, 4]), (given, "logits", [5])):
        first, *rest = end.type.tensor_type.shape.dim
        assert (end.name, first.dim_param) == (name, "batch")
        assert [dim.dim_value for dim in rest] == sizes
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    held = {array.name: onnx.numpy_helper.to_array(array) for array in made.graph.initializer}
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(held[name], array)


def test_names_of_ours_do_not_clash_with_the_files():
    class Odd(Module):
        """Its Tensors have names that the graph has too."""

        def __init__(self):
            self.images = Tensor(W, requires_grad=True)
            self.logits = Tensor(np.ones(5, np.float32), requires_grad=True)
            self.add_9 = self.matmul_7 = Tensor(np.float32(2.0))

        def forward(self, x):
            return (x @ self.images + self.logits) * self.add_9

    same(Odd())


def test_the_same_model_is_the_same_bytes_and_stays_in_training():
    model = MLP([12, 8, 5], seed=0, dropout=0.5)
    assert to_onnx(model, SHAPE, 255.0, CLASSES) == to_onnx(model, SHAPE, 255.0, CLASSES)
    assert model.training


# --- what cannot be written ----------------------------------------------------------------------


class Counting(Module):
    """Counts its calls, also in evaluation."""

    def __init__(self):
        self.count = Tensor(0.0)

    def forward(self, x):
        self.count.assign(self.count + 1.0)
        return x @ W


REFUSED = {
    "index": (Calls(lambda x: x[:, :5]), r"Calls: the primitive index has no ONNX here \(.*:\d+\)"),
    "inside": (Sequential(Calls(lambda x: ag.expm1(x @ W))), r"Sequential\.0: the primitive expm1"),
    "state": (Counting(), "in evaluation the model changes a Tensor"),
    "centred": (Calls(lambda x: x @ W - (x @ W).mean(0)), "depends on how many images there are"),
    "counted": (Calls(lambda x: x @ W * len(x)), "depends on how many images there are"),
    "turned": (Calls(lambda x: (x @ x.T).reshape(len(x) * len(x), 1) @ W[:1]), "how many images"),
    "axes": (Calls(lambda x: ag.log_softmax(x @ W, (0, 1))), r"log_softmax over one axis, not .*1"),
    "more": (Calls(lambda x: x), r"2 images of shape \(3, 4\) the model gives \(2, 12\), not .* 5"),
    "flat": (Calls(lambda x: (x @ W).reshape(-1)), r"gives \(10,\), not logits of 5 classes"),
    "a list": (Calls(lambda x: [x @ W]), "gives a list, not a Tensor"),
    "constant": (Calls(lambda x: Tensor(np.ones((2, 5)))), "images"),
    "read": (Calls(lambda x: x @ W * float(x.data.max())), "cannot be traced: jit: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_cannot_be_written_is_refused_in_words(name):
    model, words = REFUSED[name]
    with pytest.raises(ExportError, match=words):
        to_onnx(model, SHAPE, 255.0, CLASSES)
    assert model.training


def test_without_onnx_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExportError, match=r"pip install -e '\.\[export\]'"):
        to_onnx(MLP([12, 5]), SHAPE, 255.0, CLASSES)


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory):
    """The folder of a training."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    how = ["--epochs", "1", "--hidden", "8", "--validation", "500", "--eager"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", lambda *source, **how: few())
        assert main(["train", *how, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def fails(capsys):
    """Runs a command line that must end with 2 and one line on standard error; gives the line."""

    def run(*arguments):
        assert main([str(argument) for argument in arguments]) == 2
        line = capsys.readouterr().err
        assert line.startswith("error: ") and line.count("\n") == 1
        return line.removeprefix("error: ").strip()

    return run


def test_the_command_writes_what_evaluate_reads(trained_run, tmp_path, capsys):
    file = tmp_path / "digits.onnx"
    file.write_text("an old one")
    assert main(["export", str(trained_run), "--onnx", str(file)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{file}: {file.stat().st_size:,} bytes; from images, uint8 (batch, 28,")
    notes = {note.key: note.value for note in onnx.load(file).metadata_props}
    assert json.loads(notes["classes"]) == list("0123456789")
    assert json.loads(notes["sizes"]) == [784, 8, 10]
    model = MLP([784, 8, 10])
    model.load_state_dict(load_file(trained_run / "model.safetensors"))
    x = images(20, (28, 28))
    inputs = x.reshape(20, 784).astype(np.float32) / np.float32(255)
    # Sums of 784 terms in another order; these logits are below 30.
    np.testing.assert_allclose(run(str(file), x), model(inputs).data, atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["digits.onnx"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.onnx/", "expected the name of a file, found the folder"),
        ("none/a.onnx", "expected to be able to write none/a.onnx, found: No such file"),
        ("run/model.safetensors", "expected a name that ends in .onnx, found run/model.safe"),
        ("a\0.onnx", "null byte"),
        ("pipe.onnx", "found: not a regular file"),
    ],
)
def test_where_it_cannot_be_written_nothing_is(
    fails, trained_run, tmp_path, monkeypatch, name, words
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained_run, "run")
    weights = Path("run/model.safetensors").read_bytes()
    Path("a.onnx").mkdir()
    os.mkfifo("pipe.onnx")
    before = sorted(tmp_path.rglob("*"))
    assert words in fails("export", "run", "--onnx", name)
    assert sorted(tmp_path.rglob("*")) == before
    assert Path("run/model.safetensors").read_bytes() == weights


def test_a_full_disk_leaves_the_old_file(fails, trained_run, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / "a.onnx"
    file.write_text("an old one")
    monkeypatch.setattr(Path, "write_bytes", full)
    assert "No space left" in fails("export", trained_run, "--onnx", file)
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    assert file.read_text() == "an old one"


def test_the_command_without_onnx_and_without_a_name(fails, trained_run, tmp_path, monkeypatch):
    assert "--onnx" in fails("export", trained_run)
    monkeypatch.setitem(sys.modules, "onnx", None)
    file = tmp_path / "a.onnx"
    assert "pip install -e '.[export]'" in fails("export", trained_run, "--onnx", file)
    assert not file.exists()
    assert "expected a checkpoint, found: No such file" in fails("export", "no", "--onnx", file)


def test_a_checkpoint_in_half_precision_is_refused_in_words(fails, trained_run, tmp_path):
    folder = shutil.copytree(trained_run, tmp_path / "run")
    arrays = load_file(folder / "model.safetensors")
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    save_file(halves, folder / "model.safetensors")
    said = fails("export", folder, "--onnx", tmp_path / "a.onnx")
    assert "0.bias to be finite floats, found float16; save it as float32" in said


def test_nothing_of_it_is_imported_for_other_commands():
    """onnx takes longer to import than all the rest."""
    code = (
        "import sys, models.mnist.cli, models.mnist.commands.examine, models.exchange\n"
        "print('onnx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# --- weights of PyTorch --------------------------------------------------------------------------


def pytorch(sizes):
    """PyTorch's network of these sizes, with the names of an MLP; and its safetensors."""
    torch = pytest.importorskip("torch")
    layers = []
    for size, following in pairwise(sizes):
        layers += [torch.nn.Linear(size, following), torch.nn.ReLU()]
    return torch, torch.nn.Sequential(*layers[:-1]), pytest.importorskip("safetensors.torch")


def agree(torch, theirs, ours):
    x = np.random.default_rng(0).uniform(0, 1, (7, 12)).astype(np.float32)
    logits = ours(Tensor(x, True))
    with torch.no_grad():
        judge = theirs(torch.from_numpy(x)).numpy()
    for at in np.ndindex(logits.shape):
        assert abs(judge[at] - logits.data[at]) <= 2 * rounding(logits[at])


def test_pytorch_reads_our_weights(tmp_path):
    torch, theirs, safetensors = pytorch([12, 8, 5])
    ours = MLP([12, 8, 5], seed=4)
    save_file(ours.state_dict(), tmp_path / "model.safetensors")
    theirs.load_state_dict(safetensors.load_file(tmp_path / "model.safetensors"))
    agree(torch, theirs, ours)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_we_read_pytorchs_weights_and_round_wider_ones(tmp_path, kind):
    """They become of the module's own dtype. PyTorch saves no tensor that is a view of another."""
    torch, theirs, safetensors = pytorch([12, 8, 5])
    theirs.to(getattr(torch, kind))
    turned = theirs.state_dict()
    turned["0.weight"] = turned["0.weight"].T.contiguous().T
    with pytest.raises(ValueError, match="non contiguous"):
        safetensors.save(turned)
    safetensors.save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    ours = MLP([12, 8, 5], seed=1)
    ours.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert {p.dtype for p in ours.parameters()} == {np.dtype(np.float32)}
    agree(torch, theirs.to(torch.float32), ours)
    ours.load_state_dict({name: t.numpy() for name, t in turned.items()})
    agree(torch, theirs, ours)


def test_buffers_of_batch_norm_go_both_ways():
    torch, _, safetensors = pytorch([12, 5])
    parts = [torch.nn.Linear(12, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 5)]
    theirs = torch.nn.Sequential(*parts)
    for seed in range(3):
        theirs(torch.from_numpy(np.random.default_rng(seed).uniform(0, 1, (9, 12))).float())
    ours = Sequential(Linear(12, 8), BatchNorm(8), Linear(8, 5))
    ours.load_state_dict(load(safetensors.save(theirs.state_dict())))
    agree(torch, theirs.eval(), ours.eval())
    theirs.load_state_dict(safetensors.load(save(ours.state_dict())))
    agree(torch, theirs, ours)


def test_half_precision_is_refused_by_name():
    """The engine does not compute with it: whoever wants it widened says so, `.float()`. (NumPy has
    no bfloat16, and safetensors gives none to it.)"""
    _, theirs, safetensors = pytorch([12, 5])
    content = safetensors.save(theirs.half().state_dict())
    with pytest.raises(TypeError, match=r"0.\w+: computes with float32, .*, not with float16"):
        MLP([12, 5]).load_state_dict(load(content))


def test_other_names_and_shapes_are_refused_and_change_nothing():
    torch, theirs, safetensors = pytorch([12, 8, 5])
    ours = MLP([12, 8, 5], seed=1)
    before = ours.state_dict()
    more = theirs.state_dict() | {"4.weight": torch.ones(2)}
    with pytest.raises(ValueError, match=r"missing \[\], unknown \['4.weight'\]"):
        ours.load_state_dict(load(safetensors.save(more)))
    with pytest.raises(ValueError, match=r"0.weight has shape \(8, 12\) .* has \(9, 12\)"):
        MLP([12, 9, 5]).load_state_dict(load(safetensors.save(theirs.state_dict())))
    for name, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
