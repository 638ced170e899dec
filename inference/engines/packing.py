"""Packing: small parameters of a player, and its optimiser's state, laid into flat tensors."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from plausible.inference.engines.optimizer_state import OptimizerState
from plausible.inference.engines.players import Players
from plausible.inference.engines.rounds import Group
from plausible.inference.graphs.capture import Refused

__all__ = ["Packed", "Packing", "check_memory"]

_SMALL = 65536


class Packed:
    """One player's parameters in flat tensors that the parameters themselves are views of.

    Attributes:
        groups: which parameters lie together.
        state: for every group its value and its moments; the optimiser's step last.
    """

    def __init__(
        self, optimizer_state: OptimizerState, positions: dict[int, int], moved: frozenset[int]
    ) -> None:
        self.optimizer_state = optimizer_state
        self._own = [p.data for p in optimizer_state.parameters]
        small = [
            j
            for j, p in enumerate(optimizer_state.parameters)
            if p.numel() <= _SMALL and j in moved and p.dtype == optimizer_state.parameters[0].dtype
        ]
        rest = [[j] for j in range(len(optimizer_state.parameters)) if j not in small]
        self.groups = [
            Group(
                members,
                [positions[id(optimizer_state.parameters[j])] for j in members],
                [optimizer_state.parameters[j].shape for j in members],
            )
            for members in ([small] if small else []) + rest
        ]
        self.state = [self._laid_together(group) for group in self.groups] + [
            [optimizer_state.step]
        ]

    @torch.no_grad()
    def _laid_together(self, group: Group) -> list[Tensor]:
        lists = [self.optimizer_state.parameters, *self.optimizer_state.moments.values()]
        flat = []
        for values in lists:
            own = [values[j].detach().contiguous() for j in group.members]
            whole = group.whole(own)
            for j, part in zip(group.members, group.parts(whole), strict=True):
                values[j].data = part
            flat.append(whole)
        return flat

    @torch.no_grad()
    def unpack(self) -> None:
        """Give every parameter the memory that it had before, with its value of now."""
        for p, own in zip(self.optimizer_state.parameters, self._own, strict=True):
            own.copy_(p.data)
            p.data = own


class Packing:
    """The parameters of all players in flat tensors, from the first time that they are asked for.

    Args:
        players: of the objective.
        weights: all weights of the run.
    """

    def __init__(self, players: Players, weights: Sequence[Tensor]) -> None:
        self._states, self._weights = players.optimizer_states, weights
        self._packed: list[Packed] | None = None

    def of(self, moved: Mapping[int, Sequence[int]]) -> list[Packed]:
        """What is packed, for every player.

        Args:
            moved: for players that act in the first round the positions of their parameters that
                have a gradient.

        Raises:
            Refused: if a parameter belongs to two players, or not to the program.
        """
        if self._packed is None:
            positions = {id(w): i for i, w in enumerate(self._weights)}
            owned = [id(p) for state in self._states for p in state.parameters]
            if len(set(owned)) < len(owned):
                raise Refused("a parameter belongs to two players")
            if not all(p in positions for p in owned):
                raise Refused("a player moves parameters that are not the model's")
            self._packed = [
                Packed(state, positions, frozenset(moved.get(i, range(len(state.parameters)))))
                for i, state in enumerate(self._states)
            ]
        return self._packed

    def unpack(self) -> None:
        """Give every parameter the memory that it had before."""
        for packed in self._packed or ():
            packed.unpack()
        self._packed = None


def check_memory(parameters: Sequence[Tensor], tensors: Sequence[Tensor]) -> None:
    """Raise `Refused` if a parameter shares memory with another tensor: packing would part them."""
    owned = {id(p) for p in parameters}
    taken = [_memory(x) for x in tensors if id(x) not in owned and x.numel()]
    for p in parameters:
        if not p.numel():
            continue
        memory = _memory(p)
        if any(_overlap(memory, other) for other in taken):
            raise Refused("a parameter shares its memory with another tensor")
        taken.append(memory)


def _memory(x: Tensor) -> tuple[int, int, int]:
    """The storage that a tensor lies in, and the bytes from its first to its last number."""
    storage = x.untyped_storage().data_ptr()
    start = x.data_ptr()
    length = sum((n - 1) * step for n, step in zip(x.shape, x.stride(), strict=True)) + 1
    return storage, start, start + length * x.element_size()


def _overlap(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]
