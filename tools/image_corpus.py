"""Writes image files of every kind that cameras and programs save, and their pixels as Pillow gives them.

Needs Pillow, NumPy, tifffile and imagecodecs; `cjpeg` (Debian: libjpeg-turbo-progs) for JPEG files of unusual scans:

    python3 -m venv .venv && .venv/bin/pip install pillow numpy tifffile imagecodecs
    .venv/bin/python tools/image_corpus.py FOLDER [--fixtures]

FOLDER gets the files, `NAME.rgb` with the pixels expected of each (8-bit RGB, row by row), and `corpus.txt`, a line for
each: group, exact or lossy, name, width, height. `--fixtures` writes one small file of each group only.

The pixels are those of Pillow's `convert("RGB")`, with these conventions of crates/images:

* 16-bit samples become bytes by their high byte, also in grey, which Pillow clips at 255;
* samples of 9 to 15 bits become bytes by v * 255 / (2^bits - 1), rounded;
* alpha and other extra samples are dropped, the colours under them kept as stored, also associated (premultiplied) ones;
* 5 and 6 bits of a BMP file become 8 by v * 255 / (2^bits - 1), rounded, where Pillow rounds down;
* a palette is looked up, its 16-bit entries by their high byte;
* CMYK is converted by Pillow's formula, after 16 bits became 8;
* of an animation the first picture counts.

Where Pillow does not read a file that follows from an array without loss, the array tells the pixels, by the same rules.
"""

import argparse
import io
import itertools
import shutil
import struct
import subprocess
import tempfile
import warnings
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

warnings.filterwarnings("ignore")


def photo(width, height, channels=3, bits=8):
    """Smooth shades, a bright disc and a dark scratch: what JPEG is made for."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels].astype(np.float64)
    value = 0.45 + 0.2 * np.sin(x / 7 + c) + 0.2 * np.cos(y / 9 - 2 * c)
    value += 0.25 * ((x - width * 0.6) ** 2 + (y - height * 0.4) ** 2 < (min(width, height) / 5) ** 2)
    value[np.abs(x - y - 4) < 1.5] *= 0.4
    data = np.clip(value, 0, 1) * (2**bits - 1)
    return np.rint(data).astype(np.uint8 if bits <= 8 else np.uint16)


def to_byte(samples, bits):
    """Unsigned samples of `bits` bits as bytes, by the conventions above."""
    if bits == 8:
        return samples.astype(np.uint8)
    if bits == 16:
        return (samples >> 8).astype(np.uint8)
    largest = 2**bits - 1
    return ((samples.astype(np.uint32) * 255 + largest // 2) // largest).astype(np.uint8)


def cmyk_to_rgb(data):
    return np.asarray(Image.fromarray(np.ascontiguousarray(data), "CMYK").convert("RGB"))


def as_rgb(data, kind):
    """Bytes of shape (height, width[, samples]) as RGB."""
    if data.ndim == 2:
        data = data[..., None]
    if kind == "cmyk":
        return cmyk_to_rgb(data[..., :4])
    if kind == "white":
        data = 255 - data
    return np.repeat(data[..., :1], 3, 2) if kind in ("grey", "white") else data[..., :3]


def of_pillow(file):
    """What Pillow makes of a file's bytes; None where it fails or where 16-bit grey would be clipped."""
    try:
        with Image.open(io.BytesIO(file)) as image:
            if image.mode.startswith("I") or image.mode == "F":
                return None
            return np.asarray(image.convert("RGB"))
    except Exception:
        return None


class Corpus:
    def __init__(self, folder, fixtures):
        self.folder, self.fixtures, self.lines, self.seen, self.odd = folder, fixtures, [], set(), []

    def add(self, group, name, file, expected=None, lossy=False, pillow=True):
        """Files a picture; `expected` are its pixels by construction, which Pillow's must equal if it reads them."""
        if self.fixtures and group in self.seen:
            return
        found = of_pillow(file) if pillow else None
        if lossy:
            expected = found if found is not None else expected
        elif expected is None:
            expected = found
        elif found is not None and not np.array_equal(found, expected):
            self.odd.append(name)
        if expected is None:
            self.odd.append(f"{name} (nobody reads it)")
            return
        self.seen.add(group)
        (self.folder / name).write_bytes(file)
        (self.folder / (name + ".rgb")).write_bytes(np.ascontiguousarray(expected).tobytes())
        height, width = expected.shape[:2]
        self.lines.append(f"{group} {'lossy' if lossy else 'exact'} {name} {width} {height}")


def packed(samples, bits):
    """Rows of samples, most significant bit first, each row filled up to a byte."""
    rows = samples.reshape(samples.shape[0], -1).astype(np.uint32)
    ones = (rows[..., None] >> np.arange(bits - 1, -1, -1, dtype=np.uint32)) & 1
    return np.packbits(ones.reshape(rows.shape[0], -1).astype(np.uint8), axis=1)


def tiffs(corpus):
    sizes = [(40, 40), (37, 29)]
    compressions = [None, "lzw", "zlib", "adobe_deflate", "packbits", "zstd", "lzma"]
    kinds = {"grey": 1, "white": 1, "rgb": 3, "cmyk": 4}
    photometric = {"grey": "minisblack", "white": "miniswhite", "rgb": "rgb", "cmyk": "separated"}
    for kind, bits, compression, tile, planar in itertools.product(
            kinds, (8, 16), compressions, (None, (16, 16), (32, 48)), ("contig", "separate")):
        for extra, order, predictor, big, size in (
                ((), "<", None, False, sizes[0]), ((), ">", 2, False, sizes[1]), ((2,), "<", 2, True, sizes[1]),
                ((1,), ">", None, False, sizes[0]), ((0,), "<", 2, False, sizes[1]), ((0, 0), "<", 2, False, sizes[0])):
            if compression in ("zstd", "lzma") and (bits, kind) != (8, "rgb"):
                continue
            if predictor and compression in (None, "packbits"):
                predictor = None
            samples = kinds[kind] + len(extra)
            if planar == "separate" and samples == 1:
                continue
            data = photo(*size, samples, bits)
            array = data[..., 0] if samples == 1 else data
            if planar == "separate":
                array = np.moveaxis(array, -1, 0)
            name = "_".join(str(part) for part in (
                "tiff", kind, bits, compression or "none", planar, "strips" if tile is None else f"tiles{tile[0]}",
                "extra" + "".join(map(str, extra)), "le" if order == "<" else "be", predictor or 1,
                "big" if big else "classic", size[0]))
            file = io.BytesIO()
            try:
                tifffile.imwrite(file, array, photometric=photometric[kind], planarconfig=planar if samples > 1 else None,
                                 extrasamples=extra or None, byteorder=order, bigtiff=big, tile=tile, predictor=predictor,
                                 compression=compression, rowsperstrip=None if tile else 7, metadata=None)
            except Exception as error:
                corpus.odd.append(f"{name}: {error}")
                continue
            kept = compression not in ("zstd", "lzma")
            group = f"tiff-{kind}-{bits}" if kept else f"tiff-{compression}"
            group += "-extra" * bool(extra) + "-big" * big
            # Pillow reads few of the kinds with extra samples and undoes premultiplication, and mistakes raw planes of
            # 16 bits for 8: there the array tells.
            trusted = not extra and not (bits == 16 and (kind in ("white", "cmyk") or planar == "separate"))
            corpus.add(group, name + ".tif", file.getvalue(), as_rgb(to_byte(data, bits), kind), pillow=trusted)
    for bits, kind, compression, order in itertools.product(
            (1, 2, 4, 6, 10, 12, 14), ("grey", "white", "rgb"), ("none", "zlib", "lzw", "packbits"), "<>"):
        width, height, samples = 37, 29, 3 if kind == "rgb" else 1
        data = photo(width, height, samples, bits)
        expected = as_rgb(to_byte(data, bits), kind)
        name = f"tiff_packed_{kind}_{bits}_{compression}_{'le' if order == '<' else 'be'}.tif"
        file = plain_tiff(packed(data, bits), width, height, bits, samples, order, compression,
                          {"grey": 1, "white": 0, "rgb": 2}[kind])
        corpus.add(f"tiff-packed-{kind}-{bits}", name, file, expected, pillow=bits < 8 and kind != "rgb")
    for bits, compression in itertools.product((1, 2, 4, 8), ("none", "lzw")):
        index = photo(37, 29, 1, bits)
        colours = (np.arange(3 * 2**bits, dtype=np.uint32) * 40503 % 65536).astype(np.uint16)
        expected = (colours >> 8).astype(np.uint8).reshape(3, -1).T[index[..., 0]]
        file = plain_tiff(packed(index, bits), 37, 29, bits, 1, "<", compression, 3, colormap=colours)
        corpus.add(f"tiff-palette-{bits}", f"tiff_palette_{bits}_{compression}.tif", file, expected)
    reversed_bits = np.array([int(f"{i:08b}"[::-1], 2) for i in range(256)], np.uint8)
    data = photo(37, 29, 1, 1)
    file = plain_tiff(reversed_bits[packed(data, 1)], 37, 29, 1, 1, "<", "none", 1, fill_order=2)
    corpus.add("tiff-fill-order-2", "tiff_fill_order_2.tif", file, as_rgb(to_byte(data, 1), "grey"))
    bilevel = Image.fromarray(photo(37, 29, 1, 1)[..., 0] * 255).convert("1")
    for compression in ("group3", "group4", "tiff_ccitt"):
        file = io.BytesIO()
        bilevel.save(file, "TIFF", compression=compression)
        corpus.add(f"tiff-{compression}", f"tiff_{compression}.tif", file.getvalue())
    for kind, space, tile, planar in itertools.product(("grey", "rgb"), ("ycbcr", "rgb"), (None, (16, 16), (32, 48)), "c"):
        data = photo(40, 48, 1 if kind == "grey" else 3)
        file = io.BytesIO()
        options = {"photometric": "minisblack"} if kind == "grey" else {
            "photometric": space, "subsampling": (2, 2) if space == "ycbcr" and tile == (32, 48) else (1, 1)}
        if kind == "grey" and space == "ycbcr":
            continue
        args = {"outcolorspace": space} if kind == "rgb" else None
        tifffile.imwrite(file, data[..., 0] if kind == "grey" else data, tile=tile, compression="jpeg",
                         compressionargs=args, rowsperstrip=None if tile else 16, metadata=None, **options)
        name = f"tiff_jpeg_{kind}_{space}_{'strips' if tile is None else tile[0]}.tif"
        corpus.add("tiff-jpeg", name, file.getvalue(), lossy=True)
    for quality in (75, 95):
        file = io.BytesIO()
        Image.fromarray(photo(61, 43)).save(file, "TIFF", compression="jpeg", quality=quality)
        corpus.add("tiff-jpeg-tables", f"tiff_jpeg_tables_{quality}.tif", file.getvalue(), lossy=True)
    for dtype in (np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.uint32, np.uint64):
        file = io.BytesIO()
        tifffile.imwrite(file, photo(37, 29, 1, 8)[..., 0].astype(dtype), metadata=None)
        corpus.add("tiff-" + np.dtype(dtype).name, f"tiff_{np.dtype(dtype).name}.tif", file.getvalue(),
                   np.zeros((29, 37, 3), np.uint8), pillow=False)
    # Pages of one size are several photos; smaller versions, told by their tag or by their size alone, and masks are not.
    for (group, *pages), big in itertools.product((
            ("tiff-pages", (0, 1), (0, 1)), ("tiff-pages", (2, 1), (2, 1), (2, 1)), ("tiff-pages", (0, 1), (1, 4), (0, 1)),
            ("tiff-versions", (0, 1), (1, 2), (1, 4)), ("tiff-versions", (0, 1), (0, 2)), ("tiff-versions", (0, 1), (4, 1))), (False, True)):
        file = io.BytesIO()
        data = photo(40, 40)
        with tifffile.TiffWriter(file, bigtiff=big) as writer:
            for kind, step in pages:
                part = data[::step, ::step, 0] > 99 if kind == 4 else data[::step, ::step]
                writer.write(part, photometric="mask" if kind == 4 else "rgb", subfiletype=kind, metadata=None)
        kinds = "-".join(f"{kind}by{step}" for kind, step in pages)
        corpus.add(group, f"tiff_pages_{kinds}_{'big' if big else 'classic'}.tif", file.getvalue(), data)
    for space in ("cielab", "icclab", "ycbcr"):
        file = io.BytesIO()
        tifffile.imwrite(file, photo(40, 40), photometric=space, metadata=None)
        corpus.add("tiff-" + space, f"tiff_{space}.tif", file.getvalue(), np.zeros((40, 40, 3), np.uint8), pillow=False)


def plain_tiff(rows, width, height, bits, samples, order, compression, photometric, colormap=None, fill_order=1):
    """A TIFF file of strips of 7 rows, tag by tag. Samples of more than 8 bits are packed, in either order of bytes."""
    codes = {"none": 1, "lzw": 5, "zlib": 8, "packbits": 32773}
    encode = {"none": bytes, "zlib": lambda data: zlib.compress(bytes(data)),
              "lzw": imagecodecs.lzw_encode, "packbits": lambda data: imagecodecs.packbits_encode(data, axis=-1)}
    strips = [bytes(encode[compression](np.ascontiguousarray(rows[at:at + 7]) if compression != "lzw" else rows[at:at + 7].tobytes()))
              for at in range(0, height, 7)]
    tags = [(256, 3, [width]), (257, 3, [height]), (258, 3, [bits] * samples), (259, 3, [codes[compression]]),
            (262, 3, [photometric]), (266, 3, [fill_order]), (273, 4, [0] * len(strips)), (277, 3, [samples]),
            (278, 3, [7]), (279, 4, [len(strip) for strip in strips])]
    if colormap is not None:
        tags.append((320, 3, colormap.tolist()))
    at = 8 + 2 + 12 * len(tags) + 4
    sizes = {3: "H", 4: "I"}
    extra = sum(len(v) * (2 if t == 3 else 4) for _, t, v in tags if len(v) * (2 if t == 3 else 4) > 4)
    start = at + extra
    offsets = [start + sum(len(strip) for strip in strips[:i]) for i in range(len(strips))]
    directory, values = struct.pack(order + "H", len(tags)), b""
    for tag, kind, content in tags:
        content = offsets if tag == 273 else content
        data = struct.pack(f"{order}{len(content)}{sizes[kind]}", *content)
        directory += struct.pack(order + "HHI", tag, kind, len(content))
        if len(data) <= 4:
            directory += data.ljust(4, b"\0")
        else:
            directory += struct.pack(order + "I", at + len(values))
            values += data
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + directory + b"\0\0\0\0" + values + b"".join(strips)


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(data, bits, color_type, interlaced, chunks=()):
    def scanlines(part):
        if part.size == 0:
            return b""
        rows = part.astype(">u2").view(np.uint8).reshape(part.shape[0], -1) if bits == 16 else packed(part, bits)
        step = max(1, bits * data.shape[2] // 8)
        lines, above = b"", np.zeros(rows.shape[1], np.int16)
        for i, row in enumerate(rows.astype(np.int16)):
            left, corner = np.zeros_like(row), np.zeros_like(row)
            left[step:], corner[step:] = row[:-step], above[:-step]
            p = left + above - corner
            paeth = np.where((abs(p - left) <= abs(p - above)) & (abs(p - left) <= abs(p - corner)), left,
                             np.where(abs(p - above) <= abs(p - corner), above, corner))
            guess = [0, left, above, (left + above) // 2, paeth][i % 5]
            lines += bytes([i % 5]) + ((row - guess) & 255).astype(np.uint8).tobytes()
            above = row
        return lines
    parts = [data[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [data]
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    head = struct.pack(">IIBBBBB", data.shape[1], data.shape[0], bits, color_type, 0, 0, int(interlaced))
    body = zlib.compress(b"".join(map(scanlines, parts)))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunk(*c) for c in chunks)
            + chunk(b"IDAT", body[:50]) + chunk(b"IDAT", body[50:]) + chunk(b"IEND", b""))


def pngs(corpus):
    for (color, depths), interlaced, transparent, size in itertools.product(
            {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items(), (False, True), (False, True),
            ((37, 29), (3, 1))):
        for bits in depths:
            samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
            if transparent and color in (4, 6):
                continue
            data, chunks = photo(*size, samples, bits), []
            if color == 3:
                palette = (np.arange(3 * 2**bits) * 97 % 256).astype(np.uint8)
                chunks.append((b"PLTE", palette.tobytes()))
                expected = palette.reshape(-1, 3)[data[..., 0]]
            else:
                expected = as_rgb(to_byte(data, bits), "grey" if color in (0, 4) else "rgb")
            if transparent:
                key = {0: struct.pack(">H", int(data[0, 0, 0])), 3: bytes([0, 128]),
                       2: struct.pack(">3H", *map(int, data[0, 0]))if color == 2 else b""}[color]
                chunks.append((b"tRNS", key))
            name = f"png_{color}_{bits}{'_interlaced' if interlaced else ''}{'_trns' if transparent else ''}_{size[0]}.png"
            corpus.add(f"png-{color}-{bits}", name, png(data, bits, color, interlaced, chunks), expected,
                       pillow=not (bits == 16 and color in (0, 4)))


def bmp(rows, width, height, bits, palette=b"", compression=0, masks=b"", header=40):
    """`rows` are the finished bytes of the pixels; a negative height is top-down."""
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(rows), 2835, 2835, 0, 0)
        info += (masks + b"\0" * 200)[:header - 40] if header > 40 else masks
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + info + palette + rows


def bmps(corpus):
    width, height = 37, 29
    padded = lambda rows: np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    for bits, top_down, os2 in itertools.product((1, 4, 8, 24, 32), (False, True), (False, True)):
        if os2 and (top_down or bits == 32):
            continue
        data = photo(width, height, bits // 8 if bits > 8 else 1, bits if bits < 8 else 8)
        palette = b""
        if bits <= 8:
            colours = (np.arange(3 * 2**bits) * 89 % 256).astype(np.uint8).reshape(-1, 3)
            palette = colours.tobytes() if os2 else np.pad(colours, ((0, 0), (0, 1))).tobytes()
            expected, rows = colours[data[..., 0]][..., ::-1], packed(data, bits)
        else:
            expected, rows = data[..., 2::-1], data.reshape(height, -1)
        rows = padded(rows)
        file = bmp((rows if top_down else rows[::-1]).tobytes(), width, -height if top_down else height, bits, palette,
                   header=12 if os2 else 40)
        corpus.add(f"bmp-{bits}", f"bmp_{bits}{'_top' if top_down else ''}{'_os2' if os2 else ''}.bmp", file, expected)
    for name, masks in {"555": (0x7C00, 0x3E0, 0x1F), "565": (0xF800, 0x7E0, 0x1F)}.items():
        sizes = [mask.bit_count() for mask in masks]
        data = photo(width, height, 3, 8)
        parts = [data[..., i].astype(np.uint32) >> (8 - size) for i, size in enumerate(sizes)]
        parts8 = [(part * 255 * 2 // (2**size - 1) + 1) // 2 for part, size in zip(parts, sizes)]
        expected = np.stack(parts8, -1).astype(np.uint8)
        value = sum(part << ((mask & -mask).bit_length() - 1) for part, mask in zip(parts, masks))
        rows = padded(value.astype("<u2").view(np.uint8).reshape(height, -1))[::-1].tobytes()
        for header in (40, 108, 124):
            file = bmp(rows, width, height, 16, compression=3, masks=struct.pack("<3I", *masks), header=header)
            corpus.add("bmp-16", f"bmp_16_{name}_{header}.bmp", file, expected, pillow=False)
        if name == "555":
            corpus.add("bmp-16", "bmp_16_plain.bmp", bmp(rows, width, height, 16), expected, pillow=False)
    for header in (40, 56, 108, 124):
        data = photo(width, height, 4)
        masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000 if header > 40 else 0)
        file = bmp(data[::-1].tobytes(), width, height, 32, compression=3, masks=masks if header > 40 else masks[:12], header=header)
        corpus.add("bmp-32-fields", f"bmp_32_fields_{header}.bmp", file, data[..., 2::-1])
    colours = (np.arange(3 * 256) * 89 % 256).astype(np.uint8).reshape(-1, 3)
    for bits in (8, 4):
        data = (photo(width, height, 1, bits)[..., 0] // 2) * 2
        palette = np.pad(colours[:2**bits], ((0, 0), (0, 1))).tobytes()
        for absolute in (False, True):
            rows = rle(data, bits, absolute)
            file = bmp(rows, width, height, bits, palette, compression=1 if bits == 8 else 2)
            corpus.add(f"bmp-rle{bits}", f"bmp_rle{bits}{'_absolute' if absolute else ''}.bmp", file, colours[data][..., ::-1])


def rle(data, bits, absolute):
    out = bytearray()
    for row in data[::-1]:
        if absolute:
            body = row.tobytes() if bits == 8 else bytes(packed(row[None], 4)[0])
            out += bytes([0, len(row)]) + body + b"\0" * (len(body) % 2)
        else:
            at = 0
            while at < len(row):
                run = 1
                while at + run < len(row) and row[at + run] == row[at] and run < 255:
                    run += 1
                value = int(row[at])
                out += bytes([run, value if bits == 8 else value * 17])
                at += run
        out += b"\0\0"
    return bytes(out[:-2]) + b"\0\1"


def webps(corpus):
    for channels, (name, options) in itertools.product((3, 4), {
            "lossless": {"lossless": True, "exact": True}, "lossy": {"quality": 80}, "poor": {"quality": 10}}.items()):
        for size in ((61, 43), (1, 1), (16, 16)):
            file = io.BytesIO()
            Image.fromarray(photo(*size, channels)).save(file, "WebP", **options)
            lossy = name != "lossless"
            corpus.add(f"webp-{'lossy' if lossy else 'lossless'}-{channels}", f"webp_{name}_{channels}_{size[0]}.webp",
                       file.getvalue(), lossy=lossy)
    frames = [Image.fromarray(np.roll(photo(40, 30), shift, 1)) for shift in (0, 5, 9)]
    for lossless in (True, False):
        file = io.BytesIO()
        frames[0].save(file, "WebP", save_all=True, append_images=frames[1:], lossless=lossless, duration=100)
        corpus.add("webp-animated", f"webp_animated{'_lossless' if lossless else ''}.webp", file.getvalue(), lossy=not lossless)


def pnms(corpus):
    for kind, largest in itertools.product((2, 3, 5, 6), (1, 15, 100, 255, 1023, 4095, 65535)):
        bits = max(8, largest.bit_length())
        samples = 3 if kind in (3, 6) else 1
        data = np.rint(photo(19, 13, samples, 16).astype(np.float64) / 65535 * largest).astype(np.uint16)
        head = f"P{kind}\n# of a camera\n19 13\n{largest}\n".encode()
        if kind in (5, 6):
            body = data.astype(">u2" if largest > 255 else np.uint8).tobytes()
        else:
            body = "\n".join(" ".join(map(str, row)) for row in data.reshape(13, -1)).encode() + b"\n"
        if largest == 65535:
            expected = to_byte(data, 16)
        else:
            expected = ((data.astype(np.uint64) * 255 + largest // 2) // largest).astype(np.uint8)
        corpus.add(f"pnm-{largest}", f"pnm_{kind}_{largest}.p{'pm' if samples == 3 else 'gm'}", head + body,
                   as_rgb(expected, "rgb" if samples == 3 else "grey"), pillow=largest in (1, 255))
    bits = photo(19, 13, 1, 1)
    white = as_rgb(to_byte(bits, 1), "white")
    corpus.add("pbm", "pbm_4.pbm", b"P4\n19 13\n" + packed(bits, 1).tobytes(), white)
    body = "\n".join(" ".join(map(str, row)) for row in bits[..., 0]).encode()
    corpus.add("pbm", "pbm_1.pbm", b"P1\n19 13\n" + body + b"\n", white)
    for samples, kind in {1: "GRAYSCALE", 2: "GRAYSCALE_ALPHA", 3: "RGB", 4: "RGB_ALPHA"}.items():
        data = photo(19, 13, samples)
        head = f"P7\nWIDTH 19\nHEIGHT 13\nDEPTH {samples}\nMAXVAL 255\nTUPLTYPE {kind}\nENDHDR\n".encode()
        corpus.add("pam", f"pam_{samples}.pam", head + data.tobytes(), as_rgb(data, "grey" if samples < 3 else "rgb"), pillow=False)


SCANS = {
    "apart": "0;\n1;\n2;\n",
    "backwards": "2;\n1;\n0;\n",
    "luma_and_blue_then_red": "0,1;\n2;\n",
    "luma_then_chroma": "0;\n1,2;\n",
    "progressive_apart": "0: 0-0, 0, 0;\n1: 0-0, 0, 0;\n2: 0-0, 0, 0;\n0: 1-63, 0, 0;\n1: 1-63, 0, 0;\n2: 1-63, 0, 0;\n",
    "progressive_fine": "0,1,2: 0-0, 0, 1;\n0: 1-5, 0, 2;\n2: 1-63, 0, 1;\n1: 1-63, 0, 1;\n0: 6-63, 0, 2;\n0: 1-63, 2, 1;\n"
                        "0,1,2: 0-0, 1, 0;\n2: 1-63, 1, 0;\n1: 1-63, 1, 0;\n0: 1-63, 1, 0;\n",
}
SAMPLINGS = ["1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2"]


def jpegs(corpus):
    sizes = [(61, 43), (64, 48), (17, 9), (1, 1), (129, 70)]
    for (width, height), quality, subsampling, progressive in itertools.product(sizes, (30, 75, 95), (0, 1, 2), (False, True)):
        file = io.BytesIO()
        Image.fromarray(photo(width, height)).save(file, "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
        name = f"jpeg_pillow_{width}_{quality}_{subsampling}{'_progressive' if progressive else ''}.jpg"
        corpus.add("jpeg-progressive" if progressive else "jpeg-baseline", name, file.getvalue(), lossy=True)
    for progressive in (False, True):
        for inverted in (False, True):
            for space in ("CMYK", "YCCK"):
                data = photo(61, 43, 4)
                file = imagecodecs.jpeg8_encode(255 - data if inverted else data, level=90, colorspace="CMYK", outcolorspace=space)
                corpus.add(f"jpeg-{space.lower()}", f"jpeg_{space.lower()}{'_inverted' if inverted else ''}.jpg", file, lossy=True)
        file = io.BytesIO()
        Image.fromarray(photo(61, 43, 4), "CMYK").save(file, "JPEG", quality=90, progressive=progressive)
        corpus.add("jpeg-cmyk", f"jpeg_cmyk_pillow{'_progressive' if progressive else ''}.jpg", file.getvalue(), lossy=True)
    data = photo(61, 43, 3, 12)
    corpus.add("jpeg-12-bit", "jpeg_12_bit.jpg", imagecodecs.jpeg8_encode(data, level=90, bitspersample=12),
               to_byte(data, 12), pillow=False, lossy=True)
    for name, options in {"lossless": {"lossless": True, "predictor": 1}}.items():
        corpus.add("jpeg-lossless", f"jpeg_{name}.jpg", imagecodecs.jpeg8_encode(photo(61, 43), **options), photo(61, 43),
                   pillow=False, lossy=True)
    if shutil.which("cjpeg") is None:
        corpus.odd.append("no cjpeg: JPEG files of unusual scans are left out")
        return
    for (width, height), sampling in itertools.product(sizes, SAMPLINGS):
        for name, arguments in {
                "baseline": [], "optimized": ["-optimize"], "progressive": ["-progressive"], "restart1": ["-restart", "1"],
                "restart2b": ["-restart", "2B"], "arithmetic": ["-arithmetic"],
                "arithmetic_progressive": ["-arithmetic", "-progressive"], "progressive_restart": ["-progressive", "-restart", "1"],
                **{scan: ["-scans", text] for scan, text in SCANS.items()},
                "apart_restart": ["-scans", SCANS["apart"], "-restart", "1"]}.items():
            file = cjpeg(photo(width, height), ["-sample", sampling, *arguments])
            scans = "-".join(part for part in ("apart", "backwards", "luma") if name.startswith(part))
            group = ("jpeg-arithmetic" if "arithmetic" in name else "jpeg-separate-scans" if scans
                     else "jpeg-progressive" if "progressive" in name else "jpeg-baseline")
            corpus.add(group, f"jpeg_{width}_{sampling}_{name}.jpg", file, lossy=True)
    for width, height in sizes:
        for name, arguments in {"": [], "_progressive": ["-progressive"], "_restart": ["-restart", "1"]}.items():
            corpus.add("jpeg-grey", f"jpeg_grey{name}_{width}.jpg", cjpeg(photo(width, height, 1), ["-grayscale", *arguments]), lossy=True)
            corpus.add("jpeg-rgb", f"jpeg_rgb{name}_{width}.jpg", cjpeg(photo(width, height), ["-rgb", *arguments]), lossy=True)
        corpus.add("jpeg-separate-scans", f"jpeg_rgb_apart_{width}.jpg",
                   cjpeg(photo(width, height), ["-rgb", "-scans", SCANS["apart"]]), lossy=True)


def cjpeg(data, arguments):
    height, width, channels = data.shape
    source = f"P{6 if channels == 3 else 5} {width} {height} 255\n".encode() + data.tobytes()
    arguments = ["-quality", "85", *arguments]
    with tempfile.TemporaryDirectory() as folder:
        if "-scans" in arguments:
            script = Path(folder) / "scans.txt"
            at = arguments.index("-scans") + 1
            script.write_text(arguments[at])
            arguments[at] = str(script)
        return subprocess.run(["cjpeg", *arguments], input=source, capture_output=True, check=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fixtures", action="store_true", help="one small file of each group only")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(arguments.folder, arguments.fixtures)
    for write in (tiffs, pngs, bmps, webps, pnms, jpegs):
        write(corpus)
    (arguments.folder / "corpus.txt").write_text("".join(line + "\n" for line in corpus.lines))
    print(f"{len(corpus.lines)} files")
    for odd in corpus.odd:
        print("odd:", odd)


if __name__ == "__main__":
    main()
