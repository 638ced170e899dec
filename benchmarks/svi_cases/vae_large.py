"""The VAE 784-400-20 at batch 1024: what is left of the gain when the products weigh more."""

from dataclasses import replace

import torch
from svi_timing import Case

from svi_cases import vae

__all__ = ["case"]


def case(device: torch.device) -> Case:
    made = vae.case(device, batch=1024)
    return replace(made, title=made.title.replace("vae:", "vae_large:"), targets=())
