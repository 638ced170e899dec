"""Capture: run a function of tensors once, and keep what it did as a flat graph."""

import functools
import linecache
import pickle
import random
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing, make_fx
from torch.fx.graph import CodeGen
from torch.fx.node import has_side_effect
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from plausible.models.errors import PlausibleError

__all__ = ["TESTED", "Refused", "capture", "refusing"]

# From the first to the last version of PyTorch whose internals (make_fx, standalone_compile) were
# tested. A newer one is tried, since every graph is compared with Pyro before it is trusted.
TESTED = ((2, 11), (2, 14))

_LIBRARIES = (
    *(str(Path(module.__file__ or "").parent) for module in (torch, pyro, np)),
    str(Path(__file__).parents[1]),
)
_INDEXED = (
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
)
_MODELS = Path(__file__).parents[2] / "models"


class Refused(Exception):
    """Why a program cannot be captured, or a graph not be trusted; one sentence without a stop."""


def capture(
    function: Callable[..., Sequence[Tensor]], state: Sequence[Tensor], rest: Sequence[Tensor] = ()
) -> GraphModule:
    """The graph of tensor operations that a function carries out on these inputs.

    Gradients taken inside with `torch.autograd.grad` become part of the graph. Everything but
    tensors is fixed to what it was in this run: shapes, numbers, flags, the branches taken.

    Args:
        function: from tensors to a sequence of tensors. Modules and closures may hold the inputs.
        state: tensors that may differ later and that the function may change in place; they are as
            before afterwards.
        rest: tensors that may differ later, but are not changed.

    Returns:
        A module with one placeholder an input, in their order, that returns a list. Its
        `meta["written"]` holds the positions of the state that it changes in place.

    Raises:
        Refused: if the function decides by the value of a tensor, takes values to Python or NumPy,
            draws with their generators, changes the rest in place, or has results whose shapes
            depend on values.
    """
    _check_version()
    if any(x.layout != torch.strided for x in (*state, *rest)):
        raise Refused("it has sparse tensors")
    saved = [x.detach().clone() for x in state]
    versions = [x._version for x in rest]
    drawn = random.getstate(), np.random.get_state()
    try:
        with refusing("its capture failed"), warnings.catch_warnings(), _Reading() as reading:
            warnings.simplefilter("ignore")
            # mkldnn's recurrent layers are opaque to the tracer; all else is the same without it.
            plain = torch.backends.mkldnn.flags(enabled=False)
            with pyro.validation_enabled(False), _Captured(), plain:
                graph = make_fx(function, tracing_mode="real")(*state, *rest)
    finally:
        written = _restore(state, saved)
        foreign = _foreign_generators_moved(drawn)
    if foreign:
        raise Refused("it draws with Python's or NumPy's generator, whose values would be fixed")
    if versions != [x._version for x in rest]:
        raise Refused("it changes its data in place")
    graph.meta["written"] = written
    graph.graph._codegen = CodeGen()
    graph.graph.eliminate_dead_code()
    _check_nothing_is_fixed(graph, reading.places)
    graph.graph.eliminate_dead_code()  # of what only led to readings
    graph.recompile()
    return graph


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Errors inside, but for those that are made for users, become refusals: `what`, and why."""
    try:
        yield
    except (Refused, PlausibleError, MemoryError):
        raise
    except Exception as error:
        raise Refused(_reason(error, what)) from error


@torch.no_grad()
def _restore(state: Sequence[Tensor], saved: Sequence[Tensor]) -> set[int]:
    changed = set()
    for i, (x, value) in enumerate(zip(state, saved, strict=True)):
        if not torch.equal(x, value):
            changed.add(i)
            x.copy_(value)
    return changed


def _check_version() -> None:
    version = torch.__version__.split("+")[0]
    release = tuple(int(part) for part in version.split(".")[:2])
    first, last = (".".join(map(str, tested)) for tested in TESTED)
    if release < TESTED[0]:
        raise Refused(f"PyTorch {version} is too old for it (tested: {first} to {last})")
    if release > TESTED[1]:
        _warn_of(
            f"PyTorch {version} is newer than what fit was tested with ({first} to {last}). "
            "Graphs that differ from Pyro are refused, as ever; compile=False avoids them all."
        )


@functools.cache
def _warn_of(text: str) -> None:
    """Warn once a process."""
    warnings.warn(text, stacklevel=2)


def _foreign_generators_moved(before: tuple[Any, Any]) -> bool:
    """Whether Python's or NumPy's generator has drawn since; both are put back."""
    now = random.getstate(), np.random.get_state()
    random.setstate(before[0])
    np.random.set_state(before[1])
    return pickle.dumps(before) != pickle.dumps(now)


def _reason(error: Exception, what: str) -> str:
    """What a failed capture says of the program, with the line of the user's that led to it."""
    where = _users_line(traceback.extract_tb(error.__traceback__))
    text = " ".join(str(error).split())
    if any(mark in text for mark in ("_local_scalar_dense", "data-dependent", "value out of a")):
        return f"it decides by the value of a tensor{where}"
    return f"{what}{where} ({type(error).__name__}: {text[:160]})"


def _users_line(frames: Sequence[traceback.FrameSummary]) -> str:
    own = [f for f in frames if _is_users(f.filename)]
    if not own:
        return ""
    line = own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno or 0)
    return f" in {Path(own[-1].filename).name}, line {own[-1].lineno}: `{line.strip()}`"


def _is_users(filename: str) -> bool:
    return not filename.startswith((*_LIBRARIES, str(_MODELS), "<"))


# Stands in a graph where values leave it, so that what they depend on can be seen.
_library = torch.library.Library("plausible_capture", "FRAGMENT")
_library.define("read(Tensor x) -> Tensor")
_library.impl("read", lambda x: x.new_zeros(()), "CompositeExplicitAutograd")
_READ = has_side_effect(torch.ops.plausible_capture.read.default)


class _Reading(TorchFunctionMode):
    """Marks in the graph where a tensor's values are taken to Python or NumPy as a whole.

    Attributes:
        places: the lines of the user's that did so, in order.
    """

    _readers = (Tensor.numpy, Tensor.tolist, Tensor.__array__)

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function in self._readers and args[0].layout == torch.strided:
            _READ(args[0].detach())
            self.places.append(_users_line(traceback.extract_stack()))
        return function(*args, **(kwargs or {}))


class _Captured(Messenger):
    """What models need while they are captured.

    The checks of distributions that were built with them, outside of the run, are turned off. The
    positions of a whole plate are known numbers, for `for i in pyro.plate(...)`.
    """

    def __enter__(self) -> Any:
        self._checked: list[Any] = []
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        for distribution in self._checked:
            distribution._validate_args = True
        super().__exit__(*exception)

    def _pyro_sample(self, msg: Any) -> None:
        fn = msg["fn"]
        self._turn_off(fn)
        if not site_is_subsample(msg) or msg["value"] is not None:
            return
        if fn.subsample_size is None or fn.subsample_size >= fn.size:
            with disable_proxy_modes_tracing():
                msg["value"] = _Positions.of(torch.arange(fn.size, device=fn.device))

    def _turn_off(self, distribution: object) -> None:
        if getattr(distribution, "__dict__", {}).get("_validate_args"):
            distribution._validate_args = False
            self._checked.append(distribution)
        for part in vars(distribution).values() if hasattr(distribution, "__dict__") else ():
            if isinstance(part, torch.distributions.Distribution):
                self._turn_off(part)


class _Positions(Tensor):
    """The numbers from 0 on; whoever runs through them gets Python's, all else a plain tensor's."""

    _numbers: Tensor

    @classmethod
    def of(cls, numbers: Tensor) -> "_Positions":
        positions = numbers.as_subclass(cls)
        positions._numbers = numbers
        return positions

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        args, kwargs = tree_map_only(cls, lambda x: x._numbers, (args, kwargs or {}))
        return function(*args, **kwargs)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))


def _check_nothing_is_fixed(graph: GraphModule, readings: list[str]) -> None:
    """Refuse shapes, and values that left the graph, that may differ at another time.

    Marks of values that will not are taken out.
    """
    free: set[Node] = set()  # what depends on an input or a draw
    places = iter(readings)
    for node in graph.graph.nodes:
        drawn = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
        if node.op == "placeholder" or drawn or free & set(node.all_input_nodes):
            free.add(node)
        if node.op != "call_function":
            continue
        masks = []
        if node.target is _READ:
            place = next(places, "")
            if node in free:
                raise Refused(f"it takes the values of a tensor to Python or NumPy{place}")
            graph.graph.erase_node(node)
            continue
        if node.target in _INDEXED:
            masks = [i for i in node.args[1] if i is not None and _is_mask(i)]
            shaping = masks
        elif torch.Tag.dynamic_output_shape in getattr(node.target, "tags", ()):
            shaping = node.all_input_nodes
        else:
            continue
        if free & set(shaping):
            raise Refused(
                "it indexes with a mask (x[mask]), which would stay as it was; torch.where does not"
                if masks
                else f"the shape of a result depends on values (`{node.target}`)"
            )


def _is_mask(node: Node) -> bool:
    value = node.meta.get("val", node.meta.get("tensor_meta"))
    return getattr(value, "dtype", None) in (torch.bool, torch.uint8)
