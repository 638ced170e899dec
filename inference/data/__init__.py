"""Readers that turn files and embedded data sets into tensors of bytes, and bytes into floats."""

if not __name__.startswith("plausible."):
    raise ImportError("Import this package as plausible.inference.data, not as inference.data.")

from plausible.inference.data.arm import TwoJointArm
from plausible.inference.data.attributes import read_attributes
from plausible.inference.data.digits import read_digits
from plausible.inference.data.download import REMOTES, Remote, download
from plausible.inference.data.folder import read_image_folder
from plausible.inference.data.idx import read_idx, read_idx_folder
from plausible.inference.data.images import Images
from plausible.inference.data.pixels import (
    DynamicBinarisation,
    binarise,
    bits_per_dim,
    dequantise,
    unit,
)
from plausible.inference.data.registry import load
from plausible.inference.data.tables import mcycle, old_faithful
from plausible.inference.data.toys import (
    HETEROSCEDASTIC,
    INVERSE_SINE,
    INVERSE_WAVE,
    NoisyCurve,
    NoisyInverse,
    clusters,
    clusters_density,
    problem,
    ring,
    ring_density,
)

__all__ = [
    "HETEROSCEDASTIC",
    "INVERSE_SINE",
    "INVERSE_WAVE",
    "REMOTES",
    "DynamicBinarisation",
    "Images",
    "NoisyCurve",
    "NoisyInverse",
    "Remote",
    "TwoJointArm",
    "binarise",
    "bits_per_dim",
    "clusters",
    "clusters_density",
    "dequantise",
    "download",
    "load",
    "mcycle",
    "old_faithful",
    "problem",
    "read_attributes",
    "read_digits",
    "read_idx",
    "read_idx_folder",
    "read_image_folder",
    "ring",
    "ring_density",
    "unit",
]
