"""The peer of pythae: one epoch after the other of its trainer, on the same VAE."""

import logging
import tempfile
from typing import Any

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from svi_timing import Peer, stopwatch
from torch import Tensor, nn

__all__ = ["Pythae"]


class _Encoder(BaseEncoder):
    def __init__(self, features: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(features, hidden), nn.Softplus())
        self.loc, self.log_variance = nn.Linear(hidden, latent), nn.Linear(hidden, latent)

    def forward(self, x: Tensor) -> Any:
        h = self.hidden(x)
        return ModelOutput(embedding=self.loc(h), log_covariance=self.log_variance(h))


class _Decoder(BaseDecoder):
    def __init__(self, features: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, hidden), nn.Softplus(), nn.Linear(hidden, features), nn.Sigmoid()
        )

    def forward(self, z: Tensor) -> Any:
        return ModelOutput(reconstruction=self.layers(z))


class Pythae(Peer):
    """Training epochs with the trainer's loader and progress bar; nothing evaluated or saved."""

    def __init__(self, x: Tensor, hidden: int, latent: int, batch_size: int, lr: float) -> None:
        logging.getLogger("pythae").setLevel(logging.ERROR)
        features = x.shape[1]
        model = VAE(
            VAEConfig(input_dim=(features,), latent_dim=latent, reconstruction_loss="bce"),
            _Encoder(features, hidden, latent),
            _Decoder(features, hidden, latent),
        )
        self.folder = tempfile.TemporaryDirectory()
        config = BaseTrainerConfig(
            output_dir=self.folder.name,
            per_device_train_batch_size=batch_size,
            learning_rate=lr,
            no_cuda=not x.is_cuda,
        )
        self.trainer = BaseTrainer(model, BaseDataset(x.cpu(), torch.zeros(len(x))), None, config)
        self.trainer.prepare_training()

    def run(self, steps: int) -> float:
        epochs, rest = divmod(steps, len(self.trainer.train_loader))
        assert rest == 0, "the trainer can only be timed for whole epochs"
        config, events = self.trainer.training_config, self.trainer.callback_handler
        clock = stopwatch()
        for epoch in range(1, epochs + 1):
            events.on_epoch_begin(training_config=config, epoch=epoch)
            self.trainer.train_step(epoch)
            events.on_epoch_end(training_config=config)
        return clock()
