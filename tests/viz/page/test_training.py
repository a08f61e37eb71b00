"""A network trained on a page, by a module that the engine printed: 6,000 digits of MNIST, and the
gradients of that same module held against finite differences, in the browser."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

import data
from autograd.compiler import wasm
from autograd.optim import SGD
from models.mlp import MLP
from models.web import entries
from viz.page import FOLDER

HERE = Path(__file__).parent
TYPES = {".js": "text/javascript", ".html": "text/html", ".json": "application/json"}
TRAINED, TESTED, BATCH = 6000, 1000, 128


def block(examples):
    """Images, and then labels, little-endian."""
    return examples.images.tobytes() + examples.labels.astype("<u2").tobytes()


@pytest.fixture(scope="module")
def files():
    """What a server would give the page, by name."""
    mnist = data.load("mnist")
    model = MLP([784, 128, 10], seed=0)
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    steps = TRAINED // BATCH
    made = entries(model, optimizer, (28, 28), BATCH, TRAINED, steps, scored=TESTED)
    given = {"training.html": (HERE / "training.html").read_bytes()}
    for simd in ("v128", "relaxed"):
        module = wasm(made, simd, model=model, optimizer=optimizer)
        given[f"{simd}.wasm"] = module.wasm
        given[f"{simd}.json"] = json.dumps(module.manifest).encode()
    arrays = {name: np.array(tensor.data, order="C") for name, tensor in module.states.items()}
    given["states.safetensors"] = save(arrays)
    given["train.bin"] = block(mnist.train.take(np.arange(TRAINED)))
    given["test.bin"] = block(mnist.test.take(np.arange(TESTED)))
    return given | {path.name: path.read_bytes() for path in FOLDER.glob("*.js")}


@pytest.fixture(scope="module")
def trained(browser, files):
    """The page once it has trained, and what it said."""
    context = browser.new_context()
    errors = []

    def answer(route, request):
        name = request.url.rsplit("/", 1)[1]
        if name == "favicon.ico":
            route.fulfill(status=204)
            return
        kind = TYPES.get(Path(name).suffix, "application/octet-stream")
        route.fulfill(body=files[name], headers={"Content-Type": kind})

    context.route("**/*", answer)
    tab = context.new_page()
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto("http://localhost/training.html")
    tab.wait_for_function("globalThis.trained", timeout=60_000)
    yield tab
    context.close()
    assert not errors


def test_a_page_of_forty_lines_learns_digits(trained):
    said = trained.inner_text("#said")
    print(said)
    word, accuracy, _ = said.split()
    assert word == "accuracy" and float(accuracy) >= 90


# At the state that every run begins with: what the page has trained is another one each time, and
# in some a step of h crosses kinks of relu. Velocity is 0 there, so that a step leaves the gradient
# in it; each is then checked along itself, in one half of its entries and in the other, by the
# losses of two steps from states beside it.
CHECK = """async () => {
  const { readSafetensors } = await import("./safetensors.js");
  const file = new Uint8Array(await (await fetch("states.safetensors")).arrayBuffer());
  const module = globalThis.trained, start = readSafetensors(file).tensors;
  const images = module.array("images", "loop").read().slice(0, 128 * 784);
  module.array("images", "step").write(images);
  module.array("labels", "step").write(module.array("labels", "loop").read().slice(0, 128));
  const lossAt = (name, move) => {
    module.restore(start);
    const moved = start.get(name).data.map((value, i) => value + move[i]);
    module.array(name).write(moved);
    module.run("step");
    return module.array("loss", "step").read()[0];
  };
  module.restore(start);
  module.run("step");
  const parameters = [...module.snapshot().keys()].filter((name) => name.startsWith("model."));
  const gradients = parameters.map((_, i) => module.array(`optimizer.velocity.${i}`).read());
  return parameters.flatMap((name, i) => [0, 1].map((half) => {
    const along = gradients[i].map((slope, at) => at % 2 === half ? slope : 0);
    const square = along.reduce((sum, slope) => sum + slope * slope, 0);
    const h = 2e-4 / square; // so that the losses are 4e-4 apart
    const [up, down] = [h, -h].map((by) => lossAt(name, along.map((slope) => slope * by)));
    return { name, half, slope: (up - down) / (2 * h), square };
  }));
}"""


def test_the_gradients_of_the_module_are_those_of_finite_differences(trained):
    """Losses of 2.3 are float32, 1.2e-7 off each: of their differences 6e-4, and sums of 128 a few
    times that. The rest is for curvature and kinks of relu."""
    found = trained.evaluate(CHECK)
    assert len(found) == 8
    for each in found:
        assert each["square"] > 0
        np.testing.assert_allclose(each["slope"], each["square"], rtol=0.01, err_msg=str(each))
