"""MNIST in PyTorch, to an accuracy on validation digits: `python mnist_pytorch.py 0.975 SEED`."""

import json
import sys

import torch
from mnist_files import load
from torch import nn

# Tried, over seeds 0 to 6, in epochs to 97.5 %: 128 wide 2.0 to 2.5, but one seed not at all; 192
# wide 1.6 to 2.3; 256 wide 1.6 to 2.0, each epoch costing a third more; 512 wide 1.3 to 1.6, each
# costing three times as much. EPOCHS of 2 to 3.5, rates of 0.1 to 0.6, batches of 64 and 256 (at
# 0.2, 0.5), a constant rate, Adam, SGD without Nesterov: later, or some seeds never.
HIDDEN, BATCH, RATE, EPOCHS = 192, 128, 0.4, 2.5
CHECK = 50

target, seed = float(sys.argv[1]), int(sys.argv[2])
images, labels, validation_images, validation_labels = map(torch.from_numpy, load(seed))
torch.manual_seed(seed)
steps_per_epoch = len(labels) // BATCH

model = nn.Sequential(nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, nesterov=True)


def factor(step):
    """The rate goes up for a tenth of EPOCHS, then down."""
    done = step / (EPOCHS * steps_per_epoch)
    return max(0.02, min(done / 0.1, 1 - done))


schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


@torch.no_grad()
def accuracy():
    return (model(validation_images).argmax(1) == validation_labels).float().mean().item()


def train():
    step = 0
    for _ in range(10):
        for batch in torch.randperm(len(labels)).split(BATCH):
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            if step % CHECK == 0 and (reached := accuracy()) >= target:
                return {"epochs": step / steps_per_epoch, "accuracy": reached}
    raise SystemExit("not reached")


print(json.dumps(train()))
