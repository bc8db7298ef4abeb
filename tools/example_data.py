#!/usr/bin/env python3
"""Make the example data: crops of one brick wall, good and with drawn defects, in MVTec layout.

    pip install scikit-image==0.26.0
    python3 tools/example_data.py                       # writes examples/data
    python3 tools/example_data.py --out /tmp/wall --sheet /tmp/wall.png

The photograph is `brick.png` from scikit-image (512x512, grey, CC0). Training crops come from its left part, validation and
test crops from its right part, so that no pixel of theirs was trained on. Every pixel that a defect changes is in its mask. The
same seed and the same package versions give the same bytes (the committed files: see examples/data/PROVENANCE.md).
"""

import argparse
from pathlib import Path

import numpy as np
import skimage
from PIL import Image
from scipy import ndimage

CROP = 160
# Columns of the photo: training crops lie left of this one, validation and test crops start at it.
SPLIT = 320
TRAIN_GOOD = 60
VALIDATION_GOOD = 20
TEST_GOOD = 12
TEST_PER_KIND = 6
LIGHT = 0.04
MARGIN = 36
# A soft edge ends where less than this share of the defect is left.
FAINTEST = 0.1
SHEET_COLUMNS = 12


# --- Shapes -------------------------------------------------------------------------------------------------------


def grid():
    return np.mgrid[0:CROP, 0:CROP].astype(float)


def smooth_noise(rng, sigma):
    """Noise of mean 0 and deviation 1 whose features are about `sigma` pixels large."""
    noise = ndimage.gaussian_filter(rng.standard_normal((CROP, CROP)), sigma, mode="wrap")
    return (noise - noise.mean()) / noise.std()


def centre(rng):
    return rng.uniform(MARGIN, CROP - MARGIN, 2)


def blob(rng, radius, raggedness, edge):
    """Share (0 to 1) of an irregular spot around a random centre; `edge` is the width of its soft border."""
    row, column = centre(rng)
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1, 1.6)
    rows, columns = grid()
    along = (rows - row) * np.sin(angle) + (columns - column) * np.cos(angle)
    across = (rows - row) * np.cos(angle) - (columns - column) * np.sin(angle)
    distance = np.hypot(along / stretch, across * stretch**0.5)
    inside = radius - distance + raggedness * radius * smooth_noise(rng, radius / 3)
    return largest_piece(fade_out(1 / (1 + np.exp(-inside / edge)) * (distance < 2.2 * radius)))


def stroke(rng, length, width):
    """Share of a curved line that thins out towards both ends."""
    middle = centre(rng)
    angle = rng.uniform(0, np.pi)
    direction = np.array([np.sin(angle), np.cos(angle)])
    sideways = np.array([direction[1], -direction[0]])
    t = np.linspace(-1, 1, 6 * int(length))
    bend, sway = rng.uniform(-0.25, 0.25), rng.uniform(-0.06, 0.06)
    offset = length * (bend * (1 - t**2) + sway * np.sin(5 * t))
    points = middle + np.outer(length / 2 * t, direction) + np.outer(offset, sideways)
    strength = (1 - np.abs(t) ** 4) * (0.75 + 0.25 * np.sin(9 * t + rng.uniform(0, 6)))
    share = np.zeros((CROP, CROP))
    rows, columns = grid()
    for (row, column), pressure in zip(points, strength):
        top, left = (max(int(p) - 5, 0) for p in (row, column))
        window = (slice(top, top + 11), slice(left, left + 11))
        distance = np.hypot(rows[window] - row, columns[window] - column)
        dab = pressure * np.clip(width / 2 + 0.5 - distance, 0, 1)
        share[window] = np.maximum(share[window], dab)
    return fade_out(ndimage.gaussian_filter(share, 0.4))


def largest_piece(share):
    """Drop the specks that noise split off: each would count as a defect region of its own."""
    pieces, count = ndimage.label(share > 0, np.ones((3, 3)))
    sizes = ndimage.sum_labels(share, pieces, range(1, count + 1))
    return np.where(pieces == 1 + np.argmax(sizes), share, 0)


def fade_out(share):
    """Cut the endless tail of a soft edge, without a step, so that outside the mask nothing changes."""
    return np.clip((share - FAINTEST) / (1 - FAINTEST), 0, 1)


def mix(image, paint, share):
    return image + (paint - image) * share


def lit_from_upper_left(height):
    """Brightness change of a surface of this height under light from the upper left."""
    return -(ndimage.sobel(height, 0) + ndimage.sobel(height, 1))


# --- Defects: (rng, image) -> (image with the defect, share of each pixel that is defect) --------------------------


def scratch(rng, image):
    """A groove: dark, with a bright edge where the light falls on its far side."""
    groove = stroke(rng, rng.uniform(45, 100), rng.uniform(1.2, 2.6))
    edge = np.roll(groove, (1, 1), (0, 1))
    edge[0], edge[:, 0] = 0, 0
    marked = mix(image, image * 0.7 + 75, 0.75 * edge)
    return mix(marked, image * rng.uniform(0.35, 0.55), groove), np.maximum(groove, edge)


def stain(rng, image):
    """A liquid that soaked in: the wall's texture stays visible, darker and a little flatter."""
    share = blob(rng, rng.uniform(13, 24), 0.3, 1.6)
    rim = share * (1 - share) * 4
    strength = share * np.clip(0.85 + 0.15 * smooth_noise(rng, 5), 0, 1)
    soaked = (0.85 * image + 0.15 * image.mean()) * rng.uniform(0.5, 0.68)
    return mix(image, soaked - 10 * rim, strength), share


def chip(rng, image):
    """A piece broken out: a rough hollow, shaded on the side of the light and bright on the other."""
    share = blob(rng, rng.uniform(7, 13), 0.25, 0.7)
    hollow = ndimage.gaussian_filter(share, 2) * 5 + 0.5 * smooth_noise(rng, 1.2) * share
    inside = rng.uniform(62, 80) - 5.5 * lit_from_upper_left(hollow)
    inside = inside + 5 * smooth_noise(rng, 0.7)
    return mix(image, inside, share), share


def mortar_splash(rng, image):
    """A blob of mortar stuck on the wall, with the shadow it throws."""
    share = blob(rng, rng.uniform(7, 14), 0.22, 0.8)
    shadow = fade_out(ndimage.gaussian_filter(ndimage.shift(share, (3, 3), order=1), 1.5))
    height = ndimage.gaussian_filter(share, 2.5) * 6
    surface = rng.uniform(150, 175) + 3.5 * lit_from_upper_left(height) + 6 * smooth_noise(rng, 0.9)
    shaded = mix(image, image * 0.6, shadow)
    return mix(shaded, surface, share), np.maximum(share, shadow)


KINDS = {"chip": chip, "mortar": mortar_splash, "scratch": scratch, "stain": stain}


# --- Crops --------------------------------------------------------------------------------------------------------


def crop(rng, part):
    """A random crop of a part of the photo, half of them mirrored, in slightly varying light."""
    top, left = (rng.integers(0, side - CROP + 1) for side in part.shape)
    piece = part[top : top + CROP, left : left + CROP].astype(float)
    piece = piece[:, ::-1] if rng.random() < 0.5 else piece
    return piece * rng.uniform(1 - LIGHT, 1 + LIGHT)


def to_bytes(image):
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def with_defect(rng, part, draw):
    """(image, mask), both u8."""
    clean = crop(rng, part)
    marked, share = draw(rng, clean)
    mask = np.where(share > 0, 255, 0).astype(np.uint8)
    image = to_bytes(marked)
    if np.any((image != to_bytes(clean)) & (mask == 0)):
        raise AssertionError("a pixel outside the mask was changed")
    return image, mask


def make_images(photo, seed):
    """{path below the output folder: u8 image}."""
    training, inspected = photo[:, :SPLIT], photo[:, SPLIT:]
    validation_rng, rng = (np.random.default_rng(it) for it in (seed + 1, seed))
    images = {}
    for n in range(TRAIN_GOOD):
        images[f"train/good/{n:03}.png"] = to_bytes(crop(rng, training))
    for n in range(VALIDATION_GOOD):
        images[f"validation/good/{n:03}.png"] = to_bytes(crop(validation_rng, inspected))
    for n in range(TEST_GOOD):
        images[f"test/good/{n:03}.png"] = to_bytes(crop(rng, inspected))
    for kind, draw in KINDS.items():
        for n in range(TEST_PER_KIND):
            image, mask = with_defect(rng, inspected, draw)
            images[f"test/{kind}/{n:03}.png"] = image
            images[f"ground_truth/{kind}/{n:03}_mask.png"] = mask
    return images


def load_photo():
    path = Path(skimage.__file__).parent / "data/brick.png"
    photo = np.asarray(Image.open(path).convert("L"))
    if photo.shape != (512, 512):
        raise SystemExit(f"{path} is {photo.shape}, not the 512x512 photo this script was written for")
    return photo


def write_sheet(images, path):
    """All test images, defects with their masks below them, for the eye."""
    rows = [[name for name in images if name.startswith("train/")][:SHEET_COLUMNS]]
    rows.append([name for name in images if name.startswith("test/good/")])
    for kind in KINDS:
        defects = [name for name in images if name.startswith(f"test/{kind}/")]
        masks = [name for name in images if name.startswith(f"ground_truth/{kind}/")]
        rows.append([name for pair in zip(defects, masks) for name in pair])
    sheet = Image.new("L", (SHEET_COLUMNS * (CROP + 4), len(rows) * (CROP + 4)), 255)
    for row, names in enumerate(rows):
        for column, name in enumerate(names):
            sheet.paste(Image.fromarray(images[name]), (column * (CROP + 4), row * (CROP + 4)))
    sheet.save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where the folders go (default: examples/data)",
        default=Path(__file__).resolve().parent.parent / "examples/data",
    )
    parser.add_argument("--seed", type=int, default=2024, help="seed of all random choices (default: 2024)")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also write an overview picture")
    arguments = parser.parse_args()

    images = make_images(load_photo(), arguments.seed)
    size = 0
    for name, image in images.items():
        path = arguments.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, optimize=True)
        size += path.stat().st_size
    print(f"{len(images)} images, {size / 1e6:.2f} MB in {arguments.out}")
    if arguments.sheet:
        write_sheet(images, arguments.sheet)


if __name__ == "__main__":
    main()
