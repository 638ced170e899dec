"""`lazy`, for packages that know only this one."""

from plausible.models.lazy import lazy

__all__ = ["lazy"]
