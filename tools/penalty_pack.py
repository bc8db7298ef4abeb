#!/usr/bin/env python3
"""Makes a pack of penalty photos of at most 2 MB from the photos of Debian's wallpaper packages.

    python3 tools/penalty_pack.py OUT [--downloads DIR]

Needs `apt-get`, `dpkg-deb` and Pillow. The photos are under CC0, CC BY and CC BY-SA (`copyright` of each package):
a pack that is passed on needs their names and licences beside it. Each photo gives five JPEG files of 256×256: its
middle square, and the quarters of that at twice the scale.
"""

import argparse
import pathlib

import debian
from PIL import Image

PACKAGES = ("lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04")
PHOTOS = "usr/share/backgrounds/*_by_*.jpg"
SIDE = 256
LIMIT = 2_000_000


def squares(image):
    """The middle square of an image, and its quarters."""
    side = min(image.size)
    left, top, half = (image.width - side) // 2, (image.height - side) // 2, side // 2
    for x, y, size in [(0, 0, side), *((x, y, half) for y in (0, half) for x in (0, half))]:
        corner = (left + x, top + y)
        square = image.crop((*corner, corner[0] + size, corner[1] + size))
        yield square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, metavar="OUT", help="folder for the pack")
    parser.add_argument("--downloads", type=pathlib.Path, default=pathlib.Path("target/wallpapers"), metavar="DIR")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    photos = {}
    for package in PACKAGES:
        photos |= {path.stem: path for path in debian.unpack(package, arguments.downloads).glob(PHOTOS)}
    if not photos:
        raise SystemExit("the packages hold no photos where they are looked for")
    files = []
    for name, path in sorted(photos.items()):
        for number, square in enumerate(squares(Image.open(path).convert("RGB"))):
            files.append(arguments.out / f"{name}-{number}.jpg")
            square.save(files[-1], quality=80)
    total = sum(file.stat().st_size for file in files)
    print(f"{len(files)} files of {len(photos)} photos, {total:,} bytes")
    if total > LIMIT:
        raise SystemExit(f"more than {LIMIT:,} bytes")


if __name__ == "__main__":
    main()
