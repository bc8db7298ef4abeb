"""Writes what Pillow makes of generated images, for the tests of crates/images.

Needs Pillow before version 12, since later ones resize some sizes vertically first, and NumPy:

    python3 -m venv .venv && .venv/bin/pip install "pillow<12" numpy
    .venv/bin/python tools/pillow_fixtures.py crates/images/tests/fixtures

`exact.txt` holds one case per line: the operation, the source's kind, seed, width and height, the
operation's own numbers, and the CRC-32 of the RGB bytes Pillow returned. The sources are generated
by `source_image`, whose integer arithmetic tests/pillow.rs repeats. `files/` holds small files in
many pixel formats; `files.txt` holds one line for each that Pillow and the crate read
alike: exact or near (lossy files, whose decoders round differently), the name, the size and the RGB bytes, in
hexadecimal, of Pillow's `convert("RGB")`, and the CRC-32 of the same after `exif_transpose`.
"""

import argparse
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageEnhance, ImageOps

NOISE, BLACK_AND_WHITE, SMOOTH = range(3)


def source_image(kind, seed, width, height):
    """An RGB image; every byte follows from its index, or for SMOOTH from its place."""
    if kind == SMOOTH:
        y, x, channel = np.mgrid[0:height, 0:width, 0:3]
        data = (3 * x + 5 * y + 40 * channel + seed) & 255
    else:
        mixed = np.arange(3 * width * height, dtype=np.uint64) + np.uint64(seed)
        mixed = (mixed * 2654435761) & 0xFFFFFFFF
        mixed = ((mixed ^ (mixed >> 15)) * 2246822519) & 0xFFFFFFFF
        mixed ^= mixed >> 13
        data = mixed & 255 if kind == NOISE else (mixed & 1) * 255
    return Image.fromarray(data.astype(np.uint8).reshape(height, width, 3))


def resize_cases(count):
    """Sizes for `count` resizes: the method's own, extremes, and random ones from a fixed seed."""
    fixed = [(1024, 1024, 256, 256), (1000, 1000, 256, 256), (700, 700, 256, 256), (840, 840, 256, 256),
             (1600, 1280, 256, 256), (2048, 1536, 512, 512), (512, 512, 256, 256), (256, 256, 256, 256),
             (256, 300, 256, 256), (300, 256, 256, 256), (255, 257, 256, 256), (1, 1, 256, 256),
             (1, 500, 256, 256), (500, 1, 256, 256), (256, 256, 1, 1), (3000, 2, 7, 2), (2, 3000, 2, 7),
             (20000, 1, 1, 1), (1, 20000, 1, 3), (1, 1, 1, 1), (2, 2, 3, 3), (3, 3, 2, 2), (1, 2, 900, 1)]
    draw = random.Random(33)
    while len(fixed) < count:
        source = [draw.randint(1, draw.choice([4, 40, 400])) for _ in range(2)]
        target = [draw.randint(1, draw.choice([4, 40, 300])) for _ in range(2)]
        if draw.random() < 0.1:
            target[draw.randrange(2)] = source[0]
        fixed.append((*source, *target))
    return fixed[:count]


def resize_lines(count):
    for index, (width, height, new_width, new_height) in enumerate(resize_cases(count)):
        kind, seed = index % 3, 7919 * index
        image = source_image(kind, seed, width, height)
        image = image.resize((new_width, new_height), Image.Resampling.BILINEAR)
        yield f"resize {kind} {seed} {width} {height} {new_width} {new_height} {crc(image)}"


def jitter_lines(count):
    """Factors are written as the bits of a 32-bit float, the precision in which Pillow mixes."""
    operations = {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast,
                  "saturation": ImageEnhance.Color}
    draw = random.Random(34)
    for index in range(count):
        special = [0.0, 1.0, 0.5, 2.0, -0.5, 0.8, 1.2, 300.0]
        factor = special[index] if index < len(special) else draw.uniform(0.8, 1.2)
        bits = struct.unpack("<I", struct.pack("<f", factor))[0]
        factor = struct.unpack("<f", struct.pack("<I", bits))[0]
        for name, operation in operations.items():
            kind, seed = draw.randrange(3), draw.randrange(1 << 20)
            width, height = draw.randint(1, 90), draw.randint(1, 90)
            image = operation(source_image(kind, seed, width, height)).enhance(factor)
            yield f"{name} {kind} {seed} {width} {height} {bits} {crc(image)}"


def grey_and_crop_lines():
    for index, (width, height) in enumerate([(1, 1), (512, 512), (37, 91), (90, 41)]):
        for kind in range(3):
            image = source_image(kind, index, width, height)
            yield f"grey {kind} {index} {width} {height} {crc(image.convert('L').convert('RGB'))}"
    sizes = [(512, 512, 256, 256), (9, 8, 4, 5), (11, 7, 4, 4), (5, 5, 5, 5), (6, 4, 9, 2), (3, 3, 8, 6)]
    for index, (width, height, new_width, new_height) in enumerate(sizes):
        image = center_crop(source_image(NOISE, index, width, height), new_width, new_height)
        yield f"crop {NOISE} {index} {width} {height} {new_width} {new_height} {crc(image)}"


def center_crop(image, width, height):
    """torchvision's definition: pad with black to the crop's size, then crop at the rounded half."""
    missing_x, missing_y = max(width - image.width, 0), max(height - image.height, 0)
    padded = Image.new("RGB", (image.width + missing_x, image.height + missing_y))
    padded.paste(image, (missing_x // 2, missing_y // 2))
    left, top = round((padded.width - width) / 2.0), round((padded.height - height) / 2.0)
    return padded.crop((left, top, left + width, top + height))


def crc(image):
    return f"{zlib.crc32(image.tobytes()):08x}"


def write_files(folder):
    """Writes small files of every pixel format; yields their lines for files.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    rgb = source_image(NOISE, 5, 7, 5)
    grey = rgb.getchannel(0)
    wide = np.arange(35, dtype=np.uint32).reshape(5, 7) * 1871
    grey16 = Image.fromarray((wide & 0xFFFF).astype(np.uint16))
    alpha = rgb.getchannel(1)
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    grey_alpha = grey.copy()
    grey_alpha.putalpha(alpha)
    palette = rgb.quantize(9)
    smooth = source_image(SMOOTH, 5, 33, 20)
    cmyk = source_image(SMOOTH, 9, 33, 20).convert("CMYK")
    turned = Image.Exif()
    turned[0x0112] = 6
    lossless = {
        "rgb.png": (rgb, {}), "rgba.png": (rgba, {}), "grey.png": (grey, {}),
        "grey_alpha.png": (grey_alpha, {}), "grey16.png": (grey16, {}), "palette.png": (palette, {}),
        "palette_transparent.png": (palette, {"transparency": 3}), "bilevel.png": (grey.convert("1"), {}),
        "interlaced_colour_key.png": (rgb, {"transparency": (1, 2, 3)}), "turned.png": (rgb, {"exif": turned}),
        "rgb.bmp": (rgb, {}), "grey.bmp": (grey, {}), "palette.bmp": (palette, {}), "rgba.bmp": (rgba, {}),
        "bilevel.bmp": (grey.convert("1"), {}), "rgb.tif": (rgb, {}), "rgba.tif": (rgba, {}),
        "grey.tif": (grey, {}), "grey16.tif": (grey16, {}), "bilevel.tif": (grey.convert("1"), {}),
        "lzw.tif": (rgb, {"compression": "tiff_lzw"}), "deflate.tif": (rgb, {"compression": "tiff_adobe_deflate"}),
        "rgb.webp": (rgb, {"lossless": True}), "rgba.webp": (rgba, {"lossless": True, "exact": True}),
        "turned.webp": (rgb, {"lossless": True, "exif": turned}),
    }
    lossy = {
        "rgb.jpg": (smooth, {"quality": 90}), "grey.jpg": (smooth.convert("L"), {"quality": 90}),
        "progressive.jpg": (smooth, {"quality": 90, "progressive": True}),
        "full_chroma.jpg": (smooth, {"quality": 90, "subsampling": 0}), "cmyk.jpg": (cmyk, {"quality": 90}),
        "turned.jpg": (smooth, {"quality": 90, "exif": turned}), "lossy.webp": (smooth, {"quality": 90}),
    }
    for tolerance, group in (("exact", lossless), ("near", lossy)):
        for name, (image, options) in group.items():
            image.save(folder / name, **options)
            yield file_line(tolerance, folder / name)
    (folder / "rgb16.png").write_bytes(png(7, 5, 16, 2, rgb16_rows(wide)))
    yield file_line("exact", folder / "rgb16.png")
    rgb.save(folder / "turned.tif", tiffinfo={0x0112: 6})
    Image.fromarray(wide.astype(np.float32)).save(folder / "float.tif")
    palette.save(folder / "palette.tif")
    rgb.save(folder / "rgb.gif")


def file_line(tolerance, path):
    with Image.open(path) as image:
        rgb = expected_rgb(image)
        upright = expected_rgb(ImageOps.exif_transpose(image))
        return f"{tolerance} {path.name} {rgb.width} {rgb.height} {rgb.tobytes().hex()} {crc(upright)}"


def expected_rgb(image):
    """Pillow's conversion, but 16-bit grey by the high byte instead of clipped at 255."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def rgb16_rows(wide):
    """Big-endian rows of three 16-bit channels: Pillow reads 16-bit RGB but cannot write it."""
    channels = np.stack([wide, wide * 3 + 77, wide * 7 + 190], axis=2) & 0xFFFF
    return channels.astype(">u2").tobytes()


def png(width, height, depth, colour_type, rows):
    """A PNG file of unfiltered rows."""
    stride = len(rows) // height
    body = b"".join(b"\0" + rows[at:at + stride] for at in range(0, len(rows), stride))
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to write exact.txt, files.txt and files/")
    parser.add_argument("--resizes", type=int, default=400, help="number of resize cases")
    parser.add_argument("--jitters", type=int, default=60, help="number of factors, each for three changes")
    arguments = parser.parse_args()
    if int(PIL.__version__.split(".")[0]) >= 12:
        raise SystemExit(f"this is Pillow {PIL.__version__}; install one before 12")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    lines = [*resize_lines(arguments.resizes), *jitter_lines(arguments.jitters), *grey_and_crop_lines()]
    (arguments.folder / "exact.txt").write_text("\n".join(lines) + "\n")
    (arguments.folder / "files.txt").write_text("\n".join(write_files(arguments.folder / "files")) + "\n")


if __name__ == "__main__":
    main()
