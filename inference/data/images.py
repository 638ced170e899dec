"""The form in which every image data set arrives: bytes, split for training and testing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from plausible.models.errors import DataError

__all__ = ["Images"]


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Images as bytes with their split, and their labels and attributes where they have any.

    Args:
        name: what the set is called in tables and pictures.
        train: uint8, shape (N, C, H, W), 0 is black and 255 is white.
        test: uint8, shape (M, C, H, W).
        train_labels: int64, shape (N,), positions in `class_names`.
        test_labels: int64, shape (M,).
        class_names: one name per class, empty without labels.
        attributes: one bool tensor of shape (N,) per attribute of the training images.
        test_attributes: the same for the test images, shape (M,).

    Raises:
        DataError: when shapes, dtypes or labels do not fit one another.
    """

    name: str
    train: Tensor
    test: Tensor
    train_labels: Tensor | None = None
    test_labels: Tensor | None = None
    class_names: tuple[str, ...] = ()
    attributes: dict[str, Tensor] | None = None
    test_attributes: dict[str, Tensor] | None = None

    def __post_init__(self) -> None:
        for part, pixels in (("train", self.train), ("test", self.test)):
            if pixels.dtype != torch.uint8 or pixels.dim() != 4 or pixels.shape[0] == 0:
                raise DataError(
                    f"{self.name}: {part} images must be uint8 with shape (N, C, H, W) and N > 0; "
                    f"got {pixels.dtype} with shape {tuple(pixels.shape)}."
                )
        if self.train.shape[1:] != self.test.shape[1:]:
            raise DataError(
                f"{self.name}: training images have shape {tuple(self.train.shape[1:])} and test "
                f"images {tuple(self.test.shape[1:])}; they must agree."
            )
        if (self.train_labels is None) != (self.test_labels is None):
            raise DataError(f"{self.name}: give labels for training and test images, or for none.")
        self._check_labels("train", self.train, self.train_labels)
        self._check_labels("test", self.test, self.test_labels)

    def _check_labels(self, part: str, pixels: Tensor, labels: Tensor | None) -> None:
        if labels is None:
            return
        if labels.dtype != torch.int64 or labels.shape != pixels.shape[:1]:
            raise DataError(
                f"{self.name}: {part} labels must be int64, one for each of {pixels.shape[0]:,} "
                f"images; got {labels.dtype} with shape {tuple(labels.shape)}."
            )
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(self.class_names):
            raise DataError(
                f"{self.name}: {part} labels must lie in 0..{len(self.class_names) - 1}, one "
                f"number for each class name; found {low}..{high}."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    def __repr__(self) -> str:
        size = "×".join(map(str, self.shape))
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        attributes = f", {len(self.attributes)} attributes" if self.attributes else ""
        return (
            f"Images({self.name!r}: {len(self.train):,} train, {len(self.test):,} test, "
            f"{size}{classes}{attributes})"
        )
