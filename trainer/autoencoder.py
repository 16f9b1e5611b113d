"""The networks of the test-bed `vae`: an autoencoder that learns images, and a classifier that says what they show."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from trainer.images import Images
from trainer.model import Device
from trainer.nets import Fit, seeded, train
from trainer.optimise import device
from trainer.testbed import Floats

FEATURES = 32
AT_ONCE = 1000
Pixels = NDArray[np.float32]


class Settings(Fit, Protocol):
    """How an autoencoder is made and fitted, as the test-bed says."""

    latent: int
    width: int
    noise: float
    device: Device


class _Fixed(NamedTuple):
    """How the classifier is fitted."""

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 3e-3


class Autoencoder(nn.Module):
    """Two convolutions that halve an image, and two that undo them; a Gaussian latent in between.

    Pixels are Gaussian around what a latent decodes to, all with the same noise.
    """

    def __init__(self, side: int, width: int, latent: int, noise: float) -> None:
        super().__init__()
        quarter = side // 4
        self.noise, self.latent, self.inner = noise, latent, (2 * width, quarter, quarter)
        self.encoder = nn.Sequential(*_halving(width), nn.Linear(2 * width * quarter**2, 2 * latent))
        self.widen = nn.Linear(latent, 2 * width * quarter**2)
        self.decoder = nn.Sequential(
            nn.GELU(),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
            nn.GELU(),
            nn.ConvTranspose2d(width, 1, 4, 2, 1),
        )

    @property
    def place(self) -> torch.device:
        """Where it computes."""
        return self.widen.weight.device

    def gaussian(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent of images (images, side, side), (images, latent) each."""
        mean, log_variance = self.encoder(pixels[:, None]).chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 20)

    def means(self, latent: Tensor) -> Tensor:
        """What latents decode to, the mean of each pixel, (images, side, side)."""
        decoded: Tensor = self.decoder(self.widen(latent).unflatten(1, self.inner))
        return decoded[:, 0].sigmoid()

    def losses(self, pixels: Tensor) -> Tensor:
        """The negative evidence lower bound of each image by one draw of its latent, nats, (images,)."""
        mean, log_variance = self.gaussian(pixels)
        latent = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        missed = ((self.means(latent) - pixels) / self.noise) ** 2 / 2 + log(self.noise) + log(2 * pi) / 2
        apart = (mean**2 + log_variance.exp() - 1 - log_variance) / 2
        return missed.flatten(1).sum(1) + apart.sum(1)

    @torch.inference_mode()
    def write(self, size: int, seed: int) -> Pixels:
        """The means of what so many latents of a standard Gaussian decode to, (size, side, side)."""
        latents = torch.randn((size, self.latent), generator=torch.Generator().manual_seed(seed))
        with seeded(seed):
            parts = torch.split(latents.to(self.place), AT_ONCE)
            return torch.cat([self.means(part) for part in parts]).cpu().numpy()

    @torch.inference_mode()
    def encode(self, pixels: Pixels) -> Floats:
        """The means of the latents of images, (images, latent) float64."""
        with seeded(0):
            parts = torch.split(torch.from_numpy(pixels).to(self.place), AT_ONCE)
            return torch.cat([self.gaussian(part)[0] for part in parts]).double().cpu().numpy()

    @torch.inference_mode()
    def bound(self, pixels: Pixels) -> float:
        """The mean evidence lower bound of images, nats, the same latents drawn each time."""
        with seeded(0):
            parts = torch.split(torch.from_numpy(pixels).to(self.place), AT_ONCE)
            return -float(torch.cat([self.losses(part) for part in parts]).mean())


def fit(pixels: Pixels, weights: Floats | None, how: Settings, seed: int) -> tuple[Autoencoder, list[float]]:
    """An autoencoder of images (images, side, side), from scratch, with its losses.

    Args:
        weights: one an image, summing to 1; None where all weigh the same.
    """
    with seeded(seed):
        place = device(how.device)
        network = Autoencoder(pixels.shape[1], how.width, how.latent, how.noise).to(place)
        held = torch.from_numpy(pixels).to(place)

        def losses(rows: Tensor) -> Tensor:
            return network.losses(held[rows])

        return network, train(network, losses, len(pixels), how, weights)


@dataclass(frozen=True)
class Classifier:
    """A network that says what real images show, whose last layer but one tells what it sees."""

    network: Any

    @classmethod
    def of(cls, images: Images) -> Classifier:
        """One that learnt from all of some images with labels, the same for the same images."""
        with seeded(0):
            inner = 2 * 16 * (images.pixels.shape[1] // 4) ** 2
            network = nn.Sequential(
                *_halving(16), nn.Linear(inner, FEATURES), nn.GELU(), nn.Linear(FEATURES, images.classes)
            )
            pixels, labels = torch.from_numpy(images.pixels), torch.from_numpy(images.labels)

            def losses(rows: Tensor) -> Tensor:
                return functional.cross_entropy(network(pixels[rows, None]), labels[rows], reduction="none")

            train(network, losses, len(pixels), _Fixed())
        return cls(network)

    @torch.inference_mode()
    def classes(self, pixels: Pixels) -> NDArray[np.int64]:
        """What each image shows, (images,)."""
        with seeded(0):
            parts = torch.split(torch.from_numpy(pixels)[:, None], AT_ONCE)
            return torch.cat([self.network(part).argmax(1) for part in parts]).numpy()

    @torch.inference_mode()
    def features(self, pixels: Pixels) -> Floats:
        """What is seen of each image, (images, FEATURES) float64."""
        with seeded(0):
            parts = torch.split(torch.from_numpy(pixels)[:, None], AT_ONCE)
            return torch.cat([self.network[:-1](part) for part in parts]).double().numpy()


def _halving(width: int) -> list[nn.Module]:
    """What halves an image twice, (images, 1, side, side) to (images, 2 x width x side/4 x side/4)."""
    return [
        nn.Conv2d(1, width, 3, 2, 1),
        nn.GELU(),
        nn.Conv2d(width, 2 * width, 3, 2, 1),
        nn.GELU(),
        nn.Flatten(),
    ]
