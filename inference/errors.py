"""The errors that a user can act on, for packages that know only this one."""

from plausible.models.errors import (
    CheckpointError,
    DataError,
    ModelError,
    PlausibleError,
    TrainingError,
    UnknownName,
)

__all__ = [
    "CheckpointError",
    "DataError",
    "ModelError",
    "PlausibleError",
    "TrainingError",
    "UnknownName",
]
