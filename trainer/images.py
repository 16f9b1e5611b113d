"""Images that models learn from: the digits of scikit-learn, IDX files as MNIST has them, or a folder of pictures."""

from __future__ import annotations

import gzip
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from provenance.errors import ProvError
from trainer.contents import contents

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
_IDX_BYTES = 0x08
"""The type of an IDX file whose numbers are bytes."""


class BadImages(ProvError):
    """Images that cannot be read."""

    def __init__(self, path: Path, reason: str, mend: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"cannot read the images of {path}: {reason}; {mend}")


@dataclass(frozen=True)
class Images:
    """Images of one size, in shades of grey.

    Attributes:
        pixels: from 0, which is black, to 1, (images, side, side) float32.
        labels: the class of each, from 0, (images,) int64; None where nobody said.
        unreadable: how many there were besides, that could not be read.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    unreadable: int = 0

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return 0 if self.labels is None else int(self.labels.max()) + 1


def digits(side: int | None = None) -> Images:
    """The 1,797 handwritten digits of scikit-learn, 8 x 8 where no other side is wanted."""
    from sklearn.datasets import load_digits

    held = load_digits()
    pixels = _resized((held.images / 16).astype(np.float32), side or held.images.shape[1])
    return Images(pixels, held.target.astype(np.int64))


def read_images(path: Path, side: int | None = None, skip_bad: bool = False) -> Images:
    """The images of an IDX file, packed or not, beside which its labels may stand; or those in a folder.

    In a folder those of each folder inside are a class. They become squares in shades of grey.

    Args:
        side: of the squares they become; where it is None all are to be squares, as large as the first one.
        skip_bad: leave out, and count, what cannot be read.
    Raises:
        BadImages: there are none, or one cannot be read, or has another size.
    """
    if path.is_dir():
        return _of_folder(path, side, skip_bad)
    if not path.is_file():
        raise BadImages(path, "there is no such file or folder", "name an IDX file or a folder of pictures")
    held = _idx(path, 3)
    if not held.size:
        raise BadImages(path, "there are none", "name another file")
    if held.shape[1] != held.shape[2] and side is None:
        raise BadImages(path, f"they have {held.shape[2]} x {held.shape[1]} pixels", "squares are wanted: give side=")
    labels = _labels_beside(path)
    if labels is not None and len(labels) != len(held):
        raise BadImages(path, f"{len(held):,} stand beside {len(labels):,} labels", "name files that belong together")
    return Images(_resized((held / 255).astype(np.float32), side or held.shape[1]), labels)


def _resized(images: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Images (images, height, width) as squares of a side."""
    if images.shape[1:] == (side, side):
        return images
    from PIL import Image

    held = [np.asarray(Image.fromarray(image).resize((side, side))) for image in images]
    clipped: NDArray[np.float32] = np.stack(held).clip(0, 1)
    return clipped


def contents_of(path: Path) -> str:
    """What the files hold that `read_images` reads: SHA-256 in hex.

    Raises:
        ProvError: one cannot be read.
    """
    if path.is_dir():
        return contents(path, _pictures_in(path))
    return contents(path.parent, [path, *_labels_of(path)])


# -- IDX files


def _idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The numbers of an IDX file of bytes: two zeros, the type, how many dimensions, each as 32 bits, the bytes."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise BadImages(path, str(error) or "it breaks off", "get it again") from error
    if len(content) < 4 or content[:4] != bytes([0, 0, _IDX_BYTES, dimensions]):
        raise BadImages(path, f"it is no IDX file of bytes in {dimensions} dimensions", "name one, or a folder")
    start = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:start], ">u4").astype(int)
    if len(shape) < dimensions or len(content) - start != shape.prod():
        raise BadImages(path, "it breaks off, or goes on after its end", "get it again")
    return np.frombuffer(content[start:], np.uint8).reshape(shape)


def _labels_beside(path: Path) -> NDArray[np.int64] | None:
    """The labels that stand beside the images of MNIST, and of what is laid out as it is."""
    beside = _labels_of(path)
    return _idx(beside[0], 1).astype(np.int64) if beside else None


def _labels_of(path: Path) -> list[Path]:
    """The file of labels beside one of images, packed or not, if there is one."""
    if "images" not in path.name:
        return []
    named = path.name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    return [path.with_name(name) for name in (named, f"{named}.gz") if path.with_name(name).is_file()][:1]


# -- folders


def _of_folder(path: Path, side: int | None, skip_bad: bool) -> Images:
    files = _pictures_in(path)
    held: list[NDArray[np.float32]] = []
    classes: list[Path] = []
    refused: list[ProvError] = []
    for file in files:
        try:
            pixels = _picture(file, side)
            if held and pixels.shape != held[0].shape:
                raise BadImages(file, f"it has {len(pixels)} pixels a side, others {len(held[0])}", "give side=")
        except BadImages as error:
            if not skip_bad:
                raise
            refused.append(error)
            continue
        held.append(pixels)
        classes.append(file.parent)
    if not held:
        raise BadImages(path, _none_there(refused), "name a folder of pictures")
    names = {folder: number for number, folder in enumerate(dict.fromkeys(classes))}
    labels = np.array([names[folder] for folder in classes]) if len(names) > 1 else None
    return Images(np.stack(held), labels, len(refused))


def _pictures_in(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())


def _none_there(refused: list[ProvError]) -> str:
    return f"none of {len(refused):,} can be read" if refused else f"it holds none of {', '.join(sorted(SUFFIXES))}"


def _picture(path: Path, side: int | None) -> NDArray[np.float32]:
    """One picture as a square in shades of grey."""
    from PIL import Image

    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(path) as picture,
        ):
            if picture.mode.startswith(("I", "F")):
                raise BadImages(
                    path, "its shades have more than 8 bits", "save it with 8, remove it, or set skip_bad=true"
                )
            grey = _on_white(picture).convert("L")
            if side:
                grey = grey.resize((side, side))
            pixels: NDArray[np.float32] = np.asarray(grey, np.float32) / np.float32(255)
    except BadImages:
        raise
    except Exception as error:  # each of Pillow's many readers has errors of its own
        raise BadImages(path, str(error) or type(error).__name__, "mend it, remove it, or set skip_bad=true") from error
    if pixels.shape[0] != pixels.shape[1]:
        raise BadImages(path, f"it has {pixels.shape[1]} x {pixels.shape[0]} pixels", "squares are wanted: give side=")
    return pixels


def _on_white(picture: Any) -> Any:
    """A picture as it looks on a page where it is transparent."""
    if not picture.has_transparency_data:
        return picture
    from PIL import Image

    seen = picture.convert("RGBA")
    page = Image.new("RGBA", seen.size, "white")
    page.alpha_composite(seen)
    return page
