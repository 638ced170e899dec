"""What imports late, for packages that know only this one."""

from plausible.models.lazy import LazyTable, lazy

__all__ = ["LazyTable", "lazy"]
