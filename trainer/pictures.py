"""Pictures of what models write, as SVG that needs nothing else."""

from base64 import b64encode
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

ACROSS = 6
"""So many images stand beside each other."""
SIDE = 256
"""A picture is so wide and high, whatever it shows."""


def grid(images: NDArray[np.float32]) -> str:
    """Images beside and below each other.

    Args:
        images: from 0, which is black, to 1, (ACROSS x ACROSS, side, side).
    """
    from PIL import Image

    side = images.shape[1]
    framed = np.pad(images, ((0, 0), (0, 1), (0, 1)), constant_values=0.5)
    rows = framed.reshape(ACROSS, ACROSS, side + 1, side + 1).transpose(0, 2, 1, 3)
    whole = rows.reshape(ACROSS * (side + 1), -1)[:-1, :-1]
    drawn, held, style = Image.fromarray(np.round(whole * 255).astype(np.uint8)), BytesIO(), ""
    if drawn.width > SIDE:
        drawn = drawn.resize((SIDE, SIDE))
    elif drawn.width <= SIDE // 2:
        style = ' style="image-rendering: pixelated"'
    drawn.save(held, "PNG")
    content = b64encode(held.getvalue()).decode()
    size = f'width="{SIDE}" height="{SIDE}"{style}'
    return svg(f'<image {size} href="data:image/png;base64,{content}"/>')


def svg(inside: str) -> str:
    """A square picture of something drawn."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" width="{SIDE}" height="{SIDE}">'
        f"{inside}</svg>"
    )
