"""Whether anomaly maps of good photos light up at borders and corners.

    efficientad predict part.model photos-of-good-parts --out maps
    python3 tools/border.py maps

For each of three parts of the maps: the mean, the 0.995 quantile, and in how many photos the largest
value lies there. Parts are told by the distance from the photo's edge, in 64ths of its width and
height (for stretched photos at 256×256 the cells of the networks' map): the border is 4 to 12 of
them from an edge, a corner so from two edges, the middle is the rest. Nearer than 4 all maps are 0.
Needs numpy and pillow.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

CELLS, EMPTY, BORDER = 64, 4, 12
PARTS = ("corners", "borders", "middle")


def parts(height, width):
    """A number of PARTS for each pixel, or -1."""
    distances = []
    for side in (height, width):
        at = (np.arange(side) + 0.5) / side * CELLS
        distances.append(np.minimum(at, CELLS - at))
    down, across = np.meshgrid(*distances, indexing="ij")
    near, far = np.minimum(down, across), np.maximum(down, across)
    return np.select([near < EMPTY, far < BORDER, near < BORDER], [-1, 0, 1], default=2)


def main(folder):
    maps = [path for path in sorted(Path(folder).rglob("*.tiff")) if "overlays" not in path.parts]
    values = [[] for _ in PARTS]
    largest = [0] * len(PARTS)
    for path in maps:
        anomaly = np.array(Image.open(path))
        part = parts(*anomaly.shape)
        of_part = [anomaly[part == number] for number in range(len(PARTS))]
        for number, found in enumerate(of_part):
            values[number].append(found)
        largest[max(range(len(PARTS)), key=lambda number: of_part[number].max())] += 1
    print(f"{len(maps)} maps")
    for name, found, count in zip(PARTS, map(np.concatenate, values), largest):
        share = found.size / sum(sum(map(np.size, one)) for one in values)
        print(
            f"{name:8} {100 * share:4.0f} % of pixels  mean {found.mean():+.3f}  "
            f"0.995 quantile {np.quantile(found, 0.995):+.3f}  largest in {count} photos"
        )


if __name__ == "__main__":
    main(sys.argv[1])
