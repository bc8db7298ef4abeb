#!/usr/bin/env python3
"""Derives the tiles' linear maps of crates/kernels/src/winograd/maps.rs exactly, in rationals.

F(m, r) computes m outputs of a correlation with r taps as A^T[(G g) * (B^T d)] with n = m + r - 1
products: evaluate both polynomials at n - 1 points and at infinity, multiply, interpolate
(Toom-Cook); the correlation is the transpose of that. Each row of B^T is scaled to coprime
integers and the inverse scale goes into G, which is applied once per weight and not per image.

    python3 tools/winograd_maps.py > crates/kernels/src/winograd/maps.rs
    rustfmt --edition 2024 crates/kernels/src/winograd/maps.rs
"""

from fractions import Fraction
from math import gcd, lcm

POINTS = [Fraction(p) for p in ("0", "1", "-1", "2", "-2", "1/2", "-1/2", "4")]
TILES = [("F4x4", 4, 4), ("F5x3", 5, 3)]


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


def tile_matrices(m, r):
    points = POINTS[: m + r - 2]
    a_t = transpose(evaluation(points, m))
    g = evaluation(points, r)
    b_t = transpose(inverse(evaluation(points, m + r - 1)))
    for i, row in enumerate(b_t):
        scale = Fraction(lcm(*(x.denominator for x in row)))
        scale /= gcd(*((x * scale).numerator for x in row))
        b_t[i] = [x * scale for x in row]
        g[i] = [x / scale for x in g[i]]
    return a_t, g, b_t


def literal(x):
    if x.denominator & (x.denominator - 1) == 0:
        return repr(float(x))
    return f"{float(x.numerator)!r} / {float(x.denominator)!r}"


def function(name, matrix):
    """A Rust function that multiplies a vector by `matrix`."""
    shape = f"x: [S::Vector; {len(matrix[0])}]) -> [S::Vector; {len(matrix)}]"
    rows = ", ".join("[" + ", ".join(map(literal, row)) + "]" for row in matrix)
    body = f"multiply!(s, x, [{rows}])"
    return f"    #[inline(always)]\n    fn {name}<S: Simd>(s: S, {shape} {{\n        {body}\n    }}"


def main():
    print("//! Written by `tools/winograd_maps.py`; the points are 0, 1, -1, 2, -2, 1/2 and infinity.\n")
    print("use super::tile::{TileMaps, multiply};\nuse crate::simd::Simd;")
    for name, m, r in TILES:
        a_t, g, b_t = tile_matrices(m, r)
        n = m + r - 1
        print(f"\n/// {m}×{m} outputs of a {r}×{r} kernel from {n}×{n} products.")
        print("#[derive(Clone, Copy)]")
        print(f"pub(crate) struct {name};")
        print(f"\nimpl TileMaps<{m}, {r}, {n}> for {name} {{")
        maps = (("input_to_products", b_t), ("kernel_to_products", g), ("products_to_output", a_t))
        functions = []
        for map_name, matrix in maps:
            functions.append(function(map_name, matrix))
            functions.append(function(f"{map_name}_adjoint", transpose(matrix)))
        print("\n\n".join(functions))
        print("}")


if __name__ == "__main__":
    main()
