"""The peers that JAX runs: NumPyro's SVI, step by step and in one scan."""

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # leave PyTorch its GPU memory

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jax import lax
from numpyro.infer import SVI, TraceMeanField_ELBO
from svi_timing import Peer, stopwatch
from torch import Tensor

__all__ = ["LEARNING_RATE", "NumPyroJit", "NumPyroScan", "linear"]

LEARNING_RATE = 1e-3

Data = tuple[Tensor, ...]


def linear(name: str, x: Any, outputs: int) -> Any:
    """A dense layer of NumPyro parameters on x, shape (batch, inputs), started like PyTorch's."""
    bound = x.shape[-1] ** -0.5

    def uniform(*shape: int) -> Callable[[Any], Any]:
        return lambda key: jax.random.uniform(key, shape, minval=-bound, maxval=bound)

    weight = numpyro.param(f"{name}.weight", uniform(x.shape[-1], outputs))
    return x @ weight + numpyro.param(f"{name}.bias", uniform(outputs))


class _NumPyro(Peer):
    """NumPyro's SVI with its state, and the orders of minibatches; KL in closed form, as in `fit`.

    Orders are drawn by NumPy within the time that is measured: on a CPU a permutation inside the
    compiled program takes JAX far longer.
    """

    def __init__(self, model: Any, guide: Any, data: Data, batch_size: int) -> None:
        if data[0].is_cuda and jax.default_backend() == "cpu":
            raise ModuleNotFoundError(name="JAX for this GPU")
        self.arrays = tuple(jnp.asarray(x.cpu().numpy()) for x in data)
        self.total, self.batch_size = len(data[0]), batch_size
        self.svi = SVI(model, guide, numpyro.optim.Adam(LEARNING_RATE), TraceMeanField_ELBO())
        first = tuple(x[:batch_size] for x in self.arrays)
        self.state = self.svi.init(jax.random.key(0), *first)
        self.random = np.random.default_rng(0)

    def _order(self, steps: int) -> Any:
        """Which data each step sees, shape (steps, batch size); None where each sees all."""
        if self.batch_size == self.total:
            return None
        used = self.total - self.total % self.batch_size
        epochs = -(-steps * self.batch_size // used)
        orders = [self.random.permutation(self.total)[:used] for _ in range(epochs)]
        order = np.concatenate(orders).astype(np.int32).reshape(-1, self.batch_size)
        return order[:steps]

    def _update(self, state: Any, arrays: Any, index: Any) -> Any:
        batch = arrays if index is None else tuple(x[index] for x in arrays)
        return self.svi.update(state, *batch)


class NumPyroScan(_NumPyro):
    """All steps of a run in one compiled call, a `lax.scan` over `SVI.update`."""

    def __init__(self, model: Any, guide: Any, data: Data, batch_size: int) -> None:
        super().__init__(model, guide, data, batch_size)
        self.compiled: dict[int, Any] = {}

    def run(self, steps: int) -> float:
        if steps not in self.compiled:
            self.compiled = {steps: self._compile(steps)}
        clock = stopwatch()
        order = self._order(steps)
        result = self.compiled[steps](self.state, self.arrays, order)
        self.state, _ = jax.block_until_ready(result)
        return clock()

    def _compile(self, steps: int) -> Any:
        def scanned(state: Any, arrays: Any, order: Any) -> Any:
            def step(state: Any, index: Any) -> Any:
                return self._update(state, arrays, index)

            return lax.scan(step, state, order, length=steps)

        clock = stopwatch()
        compiled = jax.jit(scanned).lower(self.state, self.arrays, self._order(steps)).compile()
        self.compile_seconds = clock()
        return compiled


class NumPyroJit(_NumPyro):
    """`SVI.update` compiled, and a loop over it in Python."""

    def __init__(self, model: Any, guide: Any, data: Data, batch_size: int) -> None:
        super().__init__(model, guide, data, batch_size)
        index = None if batch_size == self.total else np.zeros(batch_size, np.int32)
        clock = stopwatch()
        self.step = jax.jit(self._update).lower(self.state, self.arrays, index).compile()
        self.compile_seconds = clock()

    def run(self, steps: int) -> float:
        clock = stopwatch()
        order = self._order(steps)
        for number in range(steps):
            index = None if order is None else order[number]
            self.state, _ = self.step(self.state, self.arrays, index)
        jax.block_until_ready(self.state)
        return clock()
