"""Pictures and videos as files that appear whole or not at all."""

from __future__ import annotations

import io
import itertools
import tempfile
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qkd_gym.errors import InvalidInput, require_integer, shown
from qkd_gym.extras import require_extra
from qkd_gym.files import require_writable_file, write_bytes

Frames = Iterable[NDArray[np.uint8]]
FORMATS = (".gif", ".mp4", ".png")
_MOST_FPS = 50  # what players show of a GIF
_GIF_COLOURS = 128


def require_video(path: Path, fps: int) -> None:
    """Checks where a video goes and what makes it, before the pictures are there.

    Raises:
        InvalidInput: If the name is not of a format, the file cannot be written, or ``fps`` is out
            of range.
        MissingExtra: If what makes the format is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        allowed = ", ".join(FORMATS)
        raise InvalidInput(f"out is {shown(str(path))}, but must end in one of {allowed}.")
    require_integer("fps", fps, 1, _MOST_FPS)
    if path.suffix.lower() == ".mp4":
        require_extra("render", "imageio_ffmpeg")
    else:
        require_extra("plot", "PIL")
    require_writable_file(path, "out")


def write_video(path: Path, frames: Frames, fps: int = 10) -> None:
    """Writes pictures of one size as a video, or the last of them alone.

    Args:
        path: File to write; its name ends in ``.gif``, ``.mp4``, or ``.png`` for the last picture.
        frames: The pictures, (height, width, 3) each, at least one.
        fps: Pictures a second, 1 to 50.

    Raises:
        InvalidInput: As `require_video`.
        MissingExtra: As `require_video`.
    """
    require_video(path, fps)
    encode = {".gif": _gif, ".mp4": _mp4, ".png": _png}[path.suffix.lower()]
    write_bytes(path, encode(frames, fps))


def write_picture(path: Path, frame: NDArray[np.uint8]) -> None:
    """Writes a picture, (height, width, 3), as PNG; see `write_video`."""
    write_video(path, [frame])


def _gif(frames: Frames, fps: int) -> bytes:
    from PIL import Image

    images = (Image.fromarray(frame) for frame in frames)
    first = next(images)
    # One palette for all: the legend in every picture has whatever colours may come later.
    palette = first.quantize(_GIF_COLOURS, Image.Quantize.MAXCOVERAGE)
    first, *rest = (
        image.quantize(palette=palette, dither=Image.Dither.NONE)
        for image in itertools.chain([first], images)
    )
    content = io.BytesIO()
    duration_ms = 1000 // fps
    first.save(content, "GIF", save_all=True, append_images=rest, duration=duration_ms, loop=0)
    return content.getvalue()


def _mp4(frames: Frames, fps: int) -> bytes:
    from imageio_ffmpeg import write_frames

    pictures = iter(frames)
    first = next(pictures)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        size = first.shape[1::-1]
        writer = write_frames(str(path), size, fps=fps, macro_block_size=2)
        writer.send(None)
        try:
            for picture in itertools.chain([first], pictures):
                writer.send(picture)
        finally:
            writer.close()
        return path.read_bytes()


def _png(frames: Frames, fps: int) -> bytes:
    from PIL import Image

    (last,) = deque(frames, maxlen=1)
    content = io.BytesIO()
    Image.fromarray(last).save(content, "PNG", optimize=True)
    return content.getvalue()
