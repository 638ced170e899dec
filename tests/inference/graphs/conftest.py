"""The tests of graphs have a cache of compiled code of their own, and one thread."""

from compiled_code import captured_only, double, one_thread, own_cache

__all__ = ["captured_only", "double", "one_thread", "own_cache"]
