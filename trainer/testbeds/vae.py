"""A convolutional variational autoencoder on images: the test-bed of Shumailov et al. 2024 whose digits grow alike.

Kingma & Welling 2013 (1312.6114); Shumailov et al. 2024 (Nature 631:755), figure on variational autoencoders.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from provenance.errors import ProvError
from trainer.contents import check_contents
from trainer.extras import check_installed
from trainer.images import Images, contents_of, digits, read_images
from trainer.model import Device
from trainer.pictures import ACROSS, grid
from trainer.streams import stream
from trainer.testbed import Degenerate, Floats, Measures, TestBed

if TYPE_CHECKING:
    from trainer.autoencoder import Autoencoder, Classifier

HELD_OUT = 5
"""One image of so many is held out."""
MEASURED = 1000
"""So many images are written to measure a model by."""
PRESENT = 0.25
"""A class is there where it has at least this part of its real share."""
Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """An autoencoder, and that of generation 1.

    Attributes:
        losses: of each epoch, in nats an image.
        first: the autoencoder of generation 1, perhaps itself.
    """

    network: Autoencoder
    first: Autoencoder
    losses: list[float] = field(default_factory=list)


class Vae(TestBed):
    """A convolutional autoencoder that learns from images and writes the means of what it decodes, from scratch each
    generation. One repeat at a time.

    Attributes:
        data: an IDX file as MNIST has them, or a folder of pictures; scikit-learn's 8 x 8 digits where it is None.
        content: SHA-256 of what data holds, found when an experiment begins: it does not go on with other data.
        side: images become so many pixels wide and high.
        skip_bad: leave out, and count, pictures that cannot be read.
        latent: dimensions of the latent.
        width: channels of the first layer.
        noise: standard deviation of pixels around what is decoded, which are from 0 to 1; the less, the more a latent
            says.
        epochs, batch_size, learning_rate: of each fit.
        device: where to compute; the processor gives the same numbers whether or not there is a GPU.
    """

    vectorised: ClassVar[bool] = False
    unit: ClassVar[str] = "images"

    data: Path | None = None
    content: str | None = None
    side: int | None = Field(default=None, ge=4, le=256, multiple_of=4)
    skip_bad: bool = False
    latent: int = Field(default=8, ge=1, le=1024)
    width: int = Field(default=16, ge=1, le=512)
    noise: float = Field(default=0.2, gt=0, le=10, allow_inf_nan=False)
    epochs: int = Field(default=60, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0, le=1, allow_inf_nan=False)
    device: Device = "cpu"

    @cached_property
    def images(self) -> Images:
        """All there are."""
        self.pinned()
        return _images(self.data, self.side, self.skip_bad)

    def pinned(self) -> dict[str, str]:
        if self.data is None:
            return {}
        found = contents_of(self.data)
        check_contents(self.data, self.content, found)
        return {"content": found}

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """The images in an order that says nothing, those first that are held out."""
        return stream(0, 0, "held-out").permutation(len(self.images.pixels))

    @property
    def _held_out(self) -> Pixels:
        """The images that no model learns from, (held out, side, side)."""
        return self.images.pixels[self._order[: self._out]]

    @property
    def _out(self) -> int:
        """How many are held out."""
        return max(1, len(self._order) // HELD_OUT)

    def real(self, size: int, repeats: int, rng: np.random.Generator) -> Any:
        assert repeats == 1, "autoencoders are fitted one repeat at a time"
        there_are = self._order[self._out :]
        if size > len(there_are):
            raise ProvError(
                f"the arm needs {size:,} images, there are {len(there_are):,} that are not held out: "
                "give a smaller --size or fewer --generations, or more data"
            )
        return self.images.pixels[rng.permutation(there_are)[:size]][None]

    def fit(self, samples: Any, weights: Floats | None, previous: Model | None, rng: np.random.Generator) -> Model:
        from trainer.autoencoder import fit

        pixels: Pixels = samples[0]
        if len(pixels) < 2:
            raise Degenerate("2 images or more", f"{len(pixels)}", "give a larger --size")
        network, losses = fit(pixels, weights, self, int(rng.integers(2**31)))
        return Model(network, previous.first if previous else network, losses)

    def sample(self, model: Model, size: int, rng: np.random.Generator) -> Any:
        return model.network.write(size, int(rng.integers(2**31)))[None]

    def measure(self, model: Model, samples: Any) -> Measures:
        """Measures of a model and of what it writes.

        | measure | of what |
        | --- | --- |
        | `elbo` | mean evidence lower bound of the held-out images, nats an image |
        | `latent_std` | standard deviation of written images in the latents of generation 1, mean of dimensions |
        | `coverage` | share of the classes that have a quarter of their real share, by a classifier |
        | `class_entropy` | of the classes of written images, nats |
        | `frechet_distance` | between written and real images, in what the classifier sees of them |
        | `unreadable` | how many images of the data could not be read |

        The classifier learnt from all real images; without labels there is none, nor what it measures.
        """
        written = model.network.write(MEASURED, 0)
        means = model.first.encode(written)
        found = {
            "elbo": model.network.bound(self._held_out),
            "latent_std": float(means.std(axis=0).mean()),
            "unreadable": float(self.images.unreadable),
        }
        if self.images.labels is not None:
            found |= _of_classes(self.classifier, self.images, written)
        return {metric: np.array([value]) for metric, value in found.items()}

    def picture(self, model: Model) -> str:
        return grid(model.network.write(ACROSS**2, 0))

    @property
    def classifier(self) -> Classifier:
        """What tells the classes of images; it learnt from all real ones, whose labels are known."""
        return _classifier(self.data, self.side, self.skip_bad)


@lru_cache(maxsize=2)
def _images(data: Path | None, side: int | None, skip_bad: bool) -> Images:
    check_installed("the test-bed vae", "images")
    found = digits(side) if data is None else read_images(data, side, skip_bad)
    wide = found.pixels.shape[1]
    if wide % 4:
        raise ProvError(f"the images are {wide} pixels wide, a multiple of 4 is wanted: give side={wide // 4 * 4 or 4}")
    return found


@lru_cache(maxsize=2)
def _classifier(data: Path | None, side: int | None, skip_bad: bool) -> Classifier:
    from trainer.autoencoder import Classifier

    return Classifier.of(_images(data, side, skip_bad))


def _of_classes(classifier: Classifier, real: Images, written: Pixels) -> dict[str, float]:
    """What a classifier tells of written images."""
    assert real.labels is not None, "there are no classes"
    shares, wanted = (
        np.bincount(held, minlength=real.classes) / len(held) for held in (classifier.classes(written), real.labels)
    )
    seen = shares[shares > 0]
    return {
        "coverage": float((shares >= PRESENT * wanted)[wanted > 0].mean()),
        "class_entropy": float(-(seen * np.log(seen)).sum()),
        "frechet_distance": frechet_distance(classifier.features(real.pixels), classifier.features(written)),
    }


def frechet_distance(one: Floats, other: Floats) -> float:
    """The squared Fréchet distance of the Gaussians that fit two sets of points, (points, dimensions) each.

    Dowson & Landau 1982; Heusel et al. 2017 (1706.08500) take it of the features of images.
    """
    apart = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
    first, second = (np.atleast_2d(np.cov(points, rowvar=False)) for points in (one, other))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    return float(apart + np.trace(first) + np.trace(second) - 2 * shared)
