"""Packing: small parameters of a player, and its optimiser's state, laid into flat tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor

from plausible.inference.engines.optimizer_state import OptimizerState
from plausible.inference.engines.rounds import Group
from plausible.inference.graphs.capture import Refused

__all__ = ["Packed", "pack"]

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


def pack(
    states: Sequence[OptimizerState], weights: Sequence[Tensor], moved: Sequence[frozenset[int]]
) -> list[Packed]:
    """Pack the parameters of all players.

    Args:
        states: of the players.
        weights: all weights of the run.
        moved: for every player the positions of the parameters that have a gradient.

    Raises:
        Refused: if a parameter belongs to two players, or is no weight of the program.
    """
    positions = {id(w): i for i, w in enumerate(weights)}
    owned = [id(p) for state in states for p in state.parameters]
    if len(set(owned)) < len(owned):
        raise Refused("a parameter belongs to two players")
    if not all(p in positions for p in owned):
        raise Refused("a player moves parameters that are not the model's")
    return [Packed(s, positions, m) for s, m in zip(states, moved, strict=True)]
