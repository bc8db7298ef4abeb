#!/usr/bin/env python3
"""Derives the tiles' linear maps of crates/kernels/src/winograd/maps.rs exactly, in rationals.

F(m, r) computes m outputs of a correlation with r taps as A^T[(G g) * (B^T d)] with n = m + r - 1
products: evaluate both polynomials at n - 1 points and at infinity, multiply, interpolate
(Toom-Cook); the correlation is the transpose of that. Each row of B^T is scaled to coprime
integers and the inverse scale goes into G, which is applied once per weight and not per image.

The points come in pairs p, -p, whose rows differ only in the sign of every other column: an even
and an odd part are computed once and added for p, subtracted for -p. The points were chosen for
the smallest error in float32 among pairs of small fractions with the pair 1, -1 (where the
transpose of A^T is a plain sum): forward, and for both gradients.

    python3 tools/winograd_maps.py > crates/kernels/src/winograd/maps.rs
    rustfmt --edition 2024 crates/kernels/src/winograd/maps.rs
"""

from fractions import Fraction
from math import gcd, lcm

# Outputs, taps, one of each pair of points, points without a partner; infinity comes last.
TILES = [
    (6, 4, ["1", "1/4", "2/3", "5/2"], []),
    (7, 3, ["1", "1/4", "2/3", "5/2"], []),
    (7, 4, ["1", "2/5", "3/4", "5/2"], ["0"]),
]


def evaluation(points, columns):
    """Rows evaluate a polynomial of `columns` coefficients at each point, the last at infinity."""
    rows = [[p**j for j in range(columns)] for p in points]
    return rows + [[Fraction(int(j == columns - 1)) for j in range(columns)]]


def inverse(matrix):
    """Gauss-Jordan elimination."""
    n = len(matrix)
    work = [row + [Fraction(int(i == j)) for j in range(n)] for i, row in enumerate(matrix)]
    for i in range(n):
        pivot = next(k for k in range(i, n) if work[k][i])
        work[i], work[pivot] = work[pivot], work[i]
        work[i] = [value / work[i][i] for value in work[i]]
        for k in range(n):
            if k != i:
                work[k] = [a - work[k][i] * b for a, b in zip(work[k], work[i])]
    return [row[n:] for row in work]


def transpose(matrix):
    return [list(column) for column in zip(*matrix)]


def tile_matrices(m, r, points):
    a_t = transpose(evaluation(points, m))
    g = evaluation(points, r)
    b_t = transpose(inverse(evaluation(points, m + r - 1)))
    for i, row in enumerate(b_t):
        scale = Fraction(lcm(*(x.denominator for x in row)))
        scale /= gcd(*((x * scale).numerator for x in row))
        scale *= -1 if next(x for x in reversed(row) if x) < 0 else 1
        b_t[i] = [x * scale for x in row]
        g[i] = [x / scale for x in g[i]]
    return a_t, g, b_t


def by_parity(rows, pairs):
    """Half sums and half differences of the rows of p and -p: of each pair's two rows the first is
    their sum and the second their difference. The rows without a partner follow as they are."""
    paired = [rows[2 * i : 2 * i + 2] for i in range(pairs)]
    sums = [[(x + y) / 2 for x, y in zip(*pair)] for pair in paired]
    differences = [[(x - y) / 2 for x, y in zip(*pair)] for pair in paired]
    return sums + differences + rows[2 * pairs :]


def literal(x):
    if x.denominator & (x.denominator - 1) == 0:
        return repr(float(x))
    return f"{float(x.numerator)!r} / {float(x.denominator)!r}"


def multiply(matrix):
    rows = ", ".join("[" + ", ".join(map(literal, row)) + "]" for row in matrix)
    return f"multiply!(s, x, [{rows}])"


def function(name, inputs, outputs, *lines):
    shape = f"x: [S::Vector; {inputs}]) -> [S::Vector; {outputs}]"
    body = "\n        ".join(lines)
    return f"    #[inline(always)]\n    fn {name}<S: Simd>(s: S, {shape} {{\n        {body}\n    }}"


def to_points(name, rows, pairs):
    """A function that multiplies a vector by `rows`, one per point."""
    values = [f"s.{op}(x[{i}], x[{pairs + i}])" for i in range(pairs) for op in ("add", "sub")]
    values += [f"x[{i}]" for i in range(2 * pairs, len(rows))]
    lines = [f"let x = {multiply(by_parity(rows, pairs))};", f"[{', '.join(values)}]"]
    return function(name, len(rows[0]), len(rows), *lines)


def from_points(name, rows, pairs):
    """A function that multiplies a vector with one element per point by the transpose of `rows`."""
    values = [f"s.{op}(x[{2 * i}], x[{2 * i + 1}])" for op in ("add", "sub") for i in range(pairs)]
    values += [f"x[{i}]" for i in range(2 * pairs, len(rows))]
    lines = [f"let x = [{', '.join(values)}];", multiply(transpose(by_parity(rows, pairs)))]
    return function(name, len(rows), len(rows[0]), *lines)


def main():
    print("//! Written by `tools/winograd_maps.py`.\n")
    print('#![expect(clippy::excessive_precision, reason = "powers of two, exact in f32")]\n')
    print("use super::tile::{TileMaps, multiply};\nuse crate::simd::Simd;")
    for m, r, paired, single in TILES:
        points = [Fraction(p) * sign for p in paired for sign in (1, -1)]
        a_t, g, b_t = tile_matrices(m, r, points + [Fraction(p) for p in single])
        pairs, n = len(paired), m + r - 1
        names = ", ".join([f"±{p}" for p in paired] + single)
        print(f"\n/// {m}×{m} outputs of a {r}×{r} kernel from {n}×{n} products; the points are {names} and ∞.")
        print("#[derive(Clone, Copy)]")
        print(f"pub(crate) struct F{m}x{r};")
        print(f"\nimpl TileMaps<{m}, {r}, {n}> for F{m}x{r} {{")
        maps = (("input_to_products", b_t), ("kernel_to_products", g), ("products_to_output_adjoint", transpose(a_t)))
        functions = []
        for map_name, rows in maps:
            adjoint_name = map_name.removesuffix("_adjoint") if map_name.endswith("_adjoint") else f"{map_name}_adjoint"
            functions.append(to_points(map_name, rows, pairs))
            functions.append(from_points(adjoint_name, rows, pairs))
        print("\n\n".join(functions))
        print("}")


if __name__ == "__main__":
    main()
