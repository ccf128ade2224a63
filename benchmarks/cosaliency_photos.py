"""Links photos of DUTS-TR that are in no group of CoDUTS, to train the plain methods on.

    python benchmarks/cosaliency_photos.py --shared ../shared --out photos

The two sets have photos in common (208 of the 5,000 and 370 here); those are left out.
"""

import argparse
from pathlib import Path


def main() -> None:
    """Link evenly spaced photos into the output folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()
    data = options.shared.resolve() / "data"
    grouped = {path.stem for path in data.glob("CoDUTS/image/*/*")}
    photos = sorted(p for p in data.glob("DUTS-TR/DUTS-TR-Image/*.jpg") if p.stem not in grouped)
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(options.count):
        photo = photos[number * len(photos) // options.count]
        (options.out / photo.name).symlink_to(photo)
    print(f"{options.count} of {len(photos)} photos linked into {options.out}")


if __name__ == "__main__":
    main()
