"""MNIST in JAX, to an accuracy on validation digits: `python mnist_jax.py 0.975 SEED`."""

import json
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from mnist_files import load

# As in mnist_pytorch.py, which says what was tried: the two learn alike, and 128 and 256 wide took
# as long here too. A scan over CHECK steps, with batches gathered outside or inside it, and a
# jitted step called from Python all took the same time, within the noise; so did CHECK = 100.
# JAX's compilation cache on disk is off, as it is by default.
HIDDEN, BATCH, RATE, EPOCHS = 192, 128, 0.4, 2.5
CHECK = 50  # steps in one call

target, seed = float(sys.argv[1]), int(sys.argv[2])
images, labels, validation_images, validation_labels = load(seed)
generator = np.random.default_rng(seed)
steps_per_epoch = len(labels) // BATCH


def layer(fan_in, fan_out):
    weight = generator.standard_normal((fan_in, fan_out), np.float32) * np.sqrt(2 / fan_in)
    return jnp.array(weight, jnp.float32), jnp.zeros(fan_out)


def logits(parameters, x):
    (w1, b1), (w2, b2) = parameters
    return jax.nn.relu(x @ w1 + b1) @ w2 + b2


def loss(parameters, x, y):
    return -jax.nn.log_softmax(logits(parameters, x))[jnp.arange(BATCH), y].mean()


def step(state, batch):
    """SGD with Nesterov's momentum; the rate goes up for a tenth of EPOCHS, then down."""
    parameters, velocity, count = state
    done = count / (EPOCHS * steps_per_epoch)
    rate = RATE * jnp.maximum(0.02, jnp.minimum(done / 0.1, 1 - done))
    gradient = jax.grad(loss)(parameters, *batch)
    velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradient)
    parameters = jax.tree.map(
        lambda p, v, g: p - rate * (0.9 * v + g), parameters, velocity, gradient
    )
    return (parameters, velocity, count + 1), None


@partial(jax.jit, donate_argnums=0)
def steps(state, x, y, vx, vy):
    """CHECK steps, and the accuracy on vx, vy after them."""
    state, _ = jax.lax.scan(step, state, (x, y))
    return state, (logits(state[0], vx).argmax(1) == vy).mean()


def train():
    validation = validation_images, validation_labels
    parameters = layer(784, HIDDEN), layer(HIDDEN, 10)
    state = parameters, jax.tree.map(jnp.zeros_like, parameters), 0
    done = 0
    for _ in range(10):
        order = generator.permutation(len(labels))[: steps_per_epoch * BATCH]
        for batches in np.split(order.reshape(-1, BATCH), range(CHECK, steps_per_epoch, CHECK)):
            if len(batches) < CHECK:
                continue  # another shape would be compiled again
            state, accuracy = steps(state, images[batches], labels[batches], *validation)
            done += CHECK
            if accuracy >= target:
                return {"epochs": done / steps_per_epoch, "accuracy": float(accuracy)}
    raise SystemExit("not reached")


print(json.dumps(train()))
