"""Video files, read and written with PyAV (`pip install 'sod[video]'`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from sod.core.errors import ImageError, SodError
from sod.core.files import atomic_file
from sod.prediction.cameras import camera_format
from sod.prediction.outputs import Output

Pixels = NDArray[np.uint8]
FORMATS: dict[Output, tuple[str, ...]] = {
    "map": (".mp4",),
    "mask": (".mp4",),
    "overlay": (".mp4",),
    "cutout": (".mov", ".webm"),
}
"""Suffixes of the files of each output."""


class _Codec(NamedTuple):
    """How a file of one suffix is encoded."""

    container: str
    codecs: tuple[str, ...]
    pixels: str
    options: dict[str, str]


CODECS = {
    ".mp4": _Codec("mp4", ("libx264", "libopenh264", "mpeg4"), "yuv420p", {"crf": "18"}),
    # ProRes 4444 with alpha, for editors, and VP9 with alpha, for browsers.
    ".mov": _Codec("mov", ("prores_ks",), "yuva444p10le", {"profile": "4444"}),
    ".webm": _Codec("webm", ("libvpx-vp9",), "yuva420p", {"crf": "24", "b": "0", "cpu-used": "4"}),
}


class VideoInfo(NamedTuple):
    """What is known of a video before it is decoded.

    Args:
        rate: Frames per second.
        frames: Number of frames; 0 if the file does not say.
    """

    rate: Fraction
    frames: int


def probe(path: Path) -> VideoInfo:
    """Return the rate and the number of frames of a video.

    Raises:
        ImageError: The file cannot be read, or has no pictures.
        SodError: PyAV is not installed.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        rate = Fraction(stream.average_rate or 25)
        seconds = container.duration / 1e6 if container.duration else 0.0
        return VideoInfo(rate, stream.frames or round(seconds * rate))


def frames_of(path: Path) -> Iterator[Pixels]:
    """Yield the frames of a video as RGB ``[H, W, 3]``, upright.

    Raises:
        ImageError: The file cannot be decoded.
        SodError: PyAV is not installed.
    """
    with _opened(path) as container:
        for frame in container.decode(video=0):
            pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            turns = round(float(getattr(frame, "rotation", 0)) / 90) % 4
            yield np.ascontiguousarray(np.rot90(pixels, turns))


class VideoWriter:
    """Writes one video, completely or not at all; a context manager.

    The sound of the source is not kept.

    Args:
        path: The file.
        suffix: Its format: ``.mp4``, ``.mov`` (ProRes 4444) or ``.webm`` (VP9).
        info: The rate.
    """

    def __init__(self, path: Path, suffix: str, info: VideoInfo) -> None:
        self.path, self.codec, self.rate = path, CODECS[suffix], info.rate
        self._stream: Any = None

    def __enter__(self) -> Self:
        """Open the file.

        Raises:
            SodError: PyAV is not installed, or the file cannot be written.
        """
        av = _av()
        self._file = atomic_file(self.path)
        temporary = self._file.__enter__()
        try:
            self._container = av.open(str(temporary), "w", format=self.codec.container)
        except OSError as error:
            raise SodError(f"{self.path}: cannot be written: {error}.") from error
        return self

    def write(self, pixels: Pixels) -> None:
        """Append a frame, RGB ``[H, W, 3]`` or RGBA ``[H, W, 4]``, of the size of the first.

        An odd row or column at the end is left out, since these formats halve colours.
        """
        height, width = (side - side % 2 for side in pixels.shape[:2])
        if self._stream is None:
            self._stream = self._add_stream(height, width)
        kind = "rgba" if pixels.shape[2] == 4 else "rgb24"
        frame = _av().VideoFrame.from_ndarray(
            np.ascontiguousarray(pixels[:height, :width]), format=kind
        )
        for packet in self._stream.encode(frame.reformat(format=self.codec.pixels)):
            self._container.mux(packet)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file, and keep it if nothing was raised."""
        if self._stream is not None and kind is None:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()
        self._file.__exit__(kind, error, trace)

    def _add_stream(self, height: int, width: int) -> Any:  # noqa: ANN401 - PyAV's own
        known = _av().codecs_available
        name = next((codec for codec in self.codec.codecs if codec in known), None)
        if name is None:
            raise SodError(f"{self.path}: this PyAV cannot encode {self.codec.codecs[0]}.")
        options = self.codec.options if name not in {"mpeg4", "libopenh264"} else {}
        stream = self._container.add_stream(name, rate=self.rate, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, self.codec.pixels
        return stream


def _av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise SodError("videos need the package av: pip install 'sod[video]'.") from error
    return av


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    av = _av()
    try:
        with av.open(str(path), format=camera_format(path)) as container:
            if not container.streams.video:
                raise ImageError(f"{path}: has no pictures.")
            yield container
    except av.error.FFmpegError as error:
        raise ImageError(f"{path}: cannot be decoded as a video: {error.strerror}") from error
