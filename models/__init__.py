"""Models built on `autograd`: a neuron on Values (neuron.py), an MLP on Tensors (mlp.py), MNIST."""

__all__: list[str] = []
