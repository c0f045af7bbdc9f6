"""Folders of pictures: any common format in, PNG out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.data.record import Array, Data

if TYPE_CHECKING:
    from PIL import Image

MARK = ("Software", "isthmus")
SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"])


def is_image(path: Path) -> bool:
    """Tell by its name whether a file is a picture."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_images(folder: Path, size: tuple[int, int] | None, limit: int | None) -> Data:
    """Read the pictures of a folder in the order of their names; where it has sub-folders, these are the labels.

    Folders whose names begin with a dot are passed over: other programs keep previews there.
    """
    here = sorted(filter(is_image, folder.iterdir()))
    labels = [sub for sub in folder.iterdir() if sub.is_dir() and not sub.name.startswith(".")]
    below = sorted(p for sub in labels for p in sub.iterdir() if is_image(p))
    if here and below:
        raise ValueError(f"{str(folder)!r} has pictures beside and inside sub-folders; keep to one of the two")
    paths = (here or below)[:limit]
    if not paths:
        kinds = ", ".join(sorted(s[1:] for s in SUFFIXES))
        raise ValueError(f"{str(folder)!r} has no pictures ({kinds}) or idx files; give a folder that has")
    X, itemsize = stack(paths, size)
    y = np.array([p.parent.name for p in paths]) if below else None
    index = np.array([str(p.relative_to(folder)) for p in paths])
    return Data(X, y=y, source=str(folder), index=index, itemsize=itemsize)


def stack(paths: list[Path], size: tuple[int, int] | None = None) -> tuple[Array, int]:
    """Return pictures as (rows, channels, height, width) in [0, 1]: one channel if all are grey, else three.

    Also the bytes that a pixel of a channel has in the files: 2 where any picture is of 16 bits.

    With ``size`` = (height, width) every picture is stretched to it.

    Raises:
        ValueError: A picture cannot be read, or its size differs from the first one's and no ``size`` is given.
    """
    read = [_pixels(path, size) for path in paths]
    pixels = [picture for picture, _ in read]
    for path, picture in zip(paths, pixels, strict=True):
        if picture.shape[1:] != pixels[0].shape[1:]:
            raise ValueError(
                f"picture {str(path)!r} is {_extent(picture)} and {paths[0].name!r} is {_extent(pixels[0])}; "
                "stretch all of them to one, size=(height, width): --size HEIGHTxWIDTH, of a report --stretch"
            )
    channels = max(len(picture) for picture in pixels)
    X = np.empty((len(pixels), channels, *pixels[0].shape[1:]), np.float32)
    for row, picture in zip(X, pixels, strict=True):
        row[:] = picture
    X /= np.float32(255)
    return X, max(itemsize for _, itemsize in read)


def _pixels(path: Path, size: tuple[int, int] | None) -> tuple[Array, int]:
    """Return one picture as bytes, (channels, height, width), as its camera meant it, and the bytes of a pixel."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            itemsize = 2 if opened.mode.startswith("I") else 1
            image = _eight_bits(ImageOps.exif_transpose(opened))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot read the picture {str(path)!r} ({error}); replace or remove it") from error
    if size is not None:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return (array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)), itemsize


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return the picture as grey or red-green-blue bytes; transparency is laid on white."""
    from PIL import Image

    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers without a known range; save them as npy")
    if image.mode.startswith("I"):
        # Pillow clips 16 bits to 8 where it should divide.
        return Image.fromarray((np.asarray(image, dtype=np.int64) // 257).clip(0, 255).astype(np.uint8))
    grey = image.mode in ("1", "L", "LA", "La")
    if "A" in image.mode or "transparency" in image.info:
        opaque = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
    return image.convert("L" if grey else "RGB")


def _extent(picture: Array) -> str:
    return f"{picture.shape[1]} x {picture.shape[2]} (height x width)"


def write_pictures(folder: Path, X: Array, called: Sequence[Any] | None = None) -> None:
    """Write rows in [0, 1], (rows, channels, height, width), as :func:`png_names` says; values outside are clipped.

    Raises:
        ValueError: The rows are not pictures of one or three channels.
    """
    from PIL import Image, PngImagePlugin

    if X.ndim != 4 or X.shape[1] not in (1, 3):
        raise ValueError(
            f"rows of shape {X.shape[1:]} are not pictures (1 or 3 channels, height, width); "
            "end the path in .csv, .parquet, .npy or .npz"
        )
    pixels = np.rint(np.clip(X, 0, 1) * 255).astype(np.uint8)
    mark = PngImagePlugin.PngInfo()
    mark.add_text(*MARK)
    for name, picture in zip(png_names(len(pixels), called), pixels, strict=True):
        array = picture[0] if len(picture) == 1 else np.moveaxis(picture, 0, -1)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path, pnginfo=mark)


def png_names(rows: int, called: Sequence[Any] | None = None) -> list[str]:
    """Name the pictures of rows as the files that they are ``called`` by, else ``000000.png`` and so on.

    Files that differ in their endings alone keep these, too. What is no picture's name below a folder names no file.

    >>> png_names(2, ["cat/1.jpg", "dog/1.jpg"]), png_names(2, ["1.jpg", "1.bmp"]), png_names(1, ["../1.jpg"])
    (['cat/1.png', 'dog/1.png'], ['1.jpg.png', '1.bmp.png'], ['000000.png'])
    """
    paths = [Path(str(name)) for name in (() if called is None else called)]
    if all(is_image(path) and not path.is_absolute() and ".." not in path.parts for path in paths):
        for names in ([path.with_suffix(".png") for path in paths], [Path(f"{path}.png") for path in paths]):
            if len({str(name).casefold() for name in names}) == rows:  # as some file systems tell them apart
                return list(map(str, names))
    return [f"{number:06d}.png" for number in range(rows)]


def is_written(path: Path) -> bool:
    """Tell whether a file is a picture that was written here: by its number, or by a mark in it."""
    from PIL import Image

    if re.fullmatch(r"\d{6,}\.png", path.name):
        return True
    try:
        with Image.open(path) as opened:
            return opened.info.get(MARK[0]) == MARK[1]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
