"""Cameras as sources of frames: `--source camera`, or the number of one."""

import sys
from pathlib import Path

from sod.core.errors import SodError

DEVICES = Path("/dev")
"""The folder of the devices ``video0``, ``video1``, ..."""

DRIVER = "v4l2"
"""FFmpeg's name of the interface to cameras on Linux."""


def camera_of(entry: str) -> Path | None:
    """Return the device of a source such as ``camera`` or ``1``; None if it names no camera.

    Args:
        entry: One source; a file or folder of that name comes first.

    Raises:
        SodError: There is no such camera, or the system is not Linux.
    """
    if not (entry == "camera" or entry.isdecimal()) or Path(entry).exists():
        return None
    if not sys.platform.startswith("linux"):
        raise SodError(f"--source {entry}: cameras are read on Linux only: give a video.")
    device = DEVICES / f"video{0 if entry == 'camera' else int(entry)}"
    if not device.exists():
        found = ", ".join(path.name[5:] for path in sorted(DEVICES.glob("video*")))
        known = f"those there are: {found}" if found else "this machine has none"
        raise SodError(f"--source {entry}: there is no camera {device}; {known}.")
    return device


def is_camera(path: Path) -> bool:
    """Return whether a path is the device of a camera."""
    return path.parent == DEVICES and path.name.startswith("video")


def camera_format(path: Path) -> str | None:
    """Return FFmpeg's name of the interface to a camera; None for a file."""
    return DRIVER if is_camera(path) else None
