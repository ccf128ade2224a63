"""A matrix ICC profile with Adobe RGB's primaries and gamma, built from its published numbers."""

import struct

_PRIMARIES = {  # adapted to D50, as ICC profiles store them
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
    b"wtpt": (0.96420, 1.00000, 0.82491),
}


def _fixed(values: tuple[float, ...]) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _profile() -> bytes:
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.19921875 * 256)) + b"\0\0"
    text = b"a wide gamut\0"
    name = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78
    tags = {key: b"XYZ \0\0\0\0" + _fixed(value) for key, value in _PRIMARIES.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    tags |= {b"desc": name, b"cprt": b"text\0\0\0\0none\0"}
    position = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        padded = value + b"\0" * (-len(value) % 4)
        table += struct.pack(">4sII", key, position + len(data), len(value))
        data += padded
    size = position + len(data)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    return (head + _fixed(_PRIMARIES[b"wtpt"])).ljust(128, b"\0") + table + data


ADOBE_LIKE = _profile()
"""The profile's bytes."""
