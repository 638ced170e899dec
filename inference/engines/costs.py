"""When compiling pays: what it takes and what it saves, as measured on two cores."""

__all__ = ["break_even", "unrolling_pays"]

# Compiling takes so many seconds, and so much more for each operation; compiled code saves so much
# of a step, and so much more for each operation; a call takes so long besides its rounds.
_COMPILE, _COMPILE_EACH, _SAVED, _SAVED_EACH, _CALL = 6.0, 1 / 80, 0.4, 4e-6, 1.5e-5


def break_even(operations: int, count: int, small: bool, seconds: float) -> float:
    """How many seconds of training by captured graphs pay for compiling beside them.

    Training that keeps all cores busy is held up by as long as compiling takes of one core, which
    is then twice as long by the clock; training on one thread is not held up.

    Args:
        operations: of a round.
        count: rounds a call of the code.
        small: whether the training runs on one thread.
        seconds: that a round takes by captured graphs.
    """
    cost = _COMPILE + _COMPILE_EACH * operations * count
    saved = min(0.95, _SAVED + _SAVED_EACH * operations / seconds)
    return cost / saved + (0.0 if small else 2 * cost)


def unrolling_pays(operations: int, count: int, rounds: int) -> bool:
    """Whether so many rounds, `count` a call, save more time than the longer code takes to compile.

    Args:
        operations: of a round.
        count: rounds a call of the code.
        rounds: that are left to do.
    """
    saved = _CALL * (1 - 1 / count) * rounds
    return saved >= _COMPILE_EACH * operations * (count - 1)
