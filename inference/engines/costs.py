"""When compiling pays: what it takes and what it saves, as measured on two cores."""

__all__ = ["break_even", "unrolling_pays"]

# Seconds that compiling takes, and more for each operation; the share of a step that compiled code
# saves, and seconds more for each operation; seconds of a call besides its rounds.
_COMPILE, _COMPILE_EACH, _SAVED, _SAVED_EACH, _CALL = 6.0, 1 / 80, 0.4, 4e-6, 1.5e-5


def break_even(operations: int, count: int, small: bool, seconds: float) -> float:
    """How many seconds of training by captured graphs pay for compiling at the same time.

    Compiling takes one core. Training that keeps all cores busy loses that core's time and makes
    compiling itself take twice as long; training on one thread loses nothing.

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
    """Whether several rounds a call save more time than their longer code takes to compile.

    Args:
        operations: of a round.
        count: rounds a call of the code.
        rounds: that are left to do.
    """
    saved = _CALL * (1 - 1 / count) * rounds
    return saved >= _COMPILE_EACH * operations * (count - 1)
