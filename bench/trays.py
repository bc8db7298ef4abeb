#!/usr/bin/env python3
"""A data set of large photos with small defects, made of one of small photos.

    python3 bench/trays.py ../shared/data/inspection/paper_pa_bdp01_tl --out trays --side 6 --invert-masks
    python3 bench/tiles.py trays --out tiles --tile 256 --steps 600

Each photo of the new set is a tray of SIDE × SIDE photos of the old one, which must all have one size:
training photos for training, good test photos for testing, among them one defective one where the
tray is to be defective. Every defective photo lies in one tray. Masks are written white on black.
Needs pillow.
"""

import argparse
import pathlib
import random

from PIL import Image, ImageOps

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def photos(folder):
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=pathlib.Path, help="a set in MVTec AD's layout with masks")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the new set")
    parser.add_argument("--side", type=int, default=6)
    parser.add_argument("--train", type=int, default=40, help="trays to train on")
    parser.add_argument("--good", type=int, default=24, help="good trays to test on")
    parser.add_argument("--invert-masks", action="store_true", help="defects are dark in the old set's masks")
    arguments = parser.parse_args()
    chance, cells = random.Random(0), arguments.side**2

    def save(paths, *target):
        parts = [Image.open(path).convert("RGB") for path in paths]
        width, height = parts[0].size
        tray = Image.new("RGB", (arguments.side * width, arguments.side * height))
        for place, part in enumerate(parts):
            if part.size != (width, height):
                raise SystemExit(f"{paths[place]} has another size than {paths[0]}")
            tray.paste(part, (place % arguments.side * width, place // arguments.side * height))
        path = arguments.out.joinpath(*target)
        path.parent.mkdir(parents=True, exist_ok=True)
        tray.save(path)

    train, good = (photos(arguments.dataset / part / "good") for part in ("train", "test"))
    for number in range(arguments.train):
        save(chance.choices(train, k=cells), "train", "good", f"{number:03}.png")
    for number in range(arguments.good):
        save(chance.choices(good, k=cells), "test", "good", f"{number:03}.png")
    for kind in sorted(path for path in (arguments.dataset / "test").iterdir() if path.is_dir()):
        if kind.name == "good":
            continue
        masks = {path.stem.removesuffix("_mask"): path for path in photos(arguments.dataset / "ground_truth" / kind.name)}
        for photo in photos(kind):
            tray, place = chance.choices(good, k=cells), chance.randrange(cells)
            tray[place] = photo
            save(tray, "test", kind.name, f"{photo.stem}.png")
            mask = Image.open(masks[photo.stem]).convert("L").point(lambda value: 255 * (value > 127))
            mask = ImageOps.invert(mask) if arguments.invert_masks else mask
            whole = Image.new("L", tuple(arguments.side * length for length in mask.size))
            whole.paste(mask, (place % arguments.side * mask.width, place // arguments.side * mask.height))
            path = arguments.out / "ground_truth" / kind.name / f"{photo.stem}_mask.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            whole.save(path)


if __name__ == "__main__":
    main()
