#!/usr/bin/env python3
"""Collects photos of open licences from Debian's packages, to distil a teacher with: `efficientad pretrain --photos`.

    python3 tools/open_photos.py OUT [--downloads DIR]

Needs `apt-get`, `dpkg-deb` and Pillow, downloads 1.5 GB and keeps 192 MB. The photos are those of wallpapers, and the
surfaces (brick, metal, wood, cloth, ground) that games are covered with: most under CC BY-SA, others under CC0, CC BY or
the GPL, as `copyright` of each package tells. What isn't a photo is left out by its looks: normal maps by their colours,
masks and height maps because they are grey, near-uniform images.
"""

import argparse
import pathlib
import shutil

import debian
from PIL import Image, ImageStat

PACKAGES = (
    "lomiri-wallpapers-16.04",
    "lomiri-wallpapers-20.04",
    "mate-backgrounds",
    "redeclipse-data",
    "supertuxkart-data",
)
SHORTEST_SIDE = 256


def is_photo(image):
    """By the looks of it in small."""
    small = image.convert("RGB").resize((64, 64))
    red, green, blue = ImageStat.Stat(small).mean
    normal_map = blue > 180 and abs(red - 128) < 40 and abs(green - 128) < 40
    colour = ImageStat.Stat(small.convert("HSV")).mean[1]
    contrast = ImageStat.Stat(small.convert("L")).stddev[0]
    return not normal_map and colour > 8 and contrast > 8


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, metavar="OUT", help="folder for the photos")
    parser.add_argument("--downloads", type=pathlib.Path, default=pathlib.Path("target/photos"), metavar="DIR")
    arguments = parser.parse_args()
    for package in PACKAGES:
        folder = debian.unpack(package, arguments.downloads)
        kept = 0
        for path in sorted(folder.rglob("*.jpg")):
            with Image.open(path) as image:
                if min(image.size) < SHORTEST_SIDE or not is_photo(image):
                    continue
            target = arguments.out / package / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            kept += 1
        print(f"{package}: {kept} photos", flush=True)


if __name__ == "__main__":
    main()
