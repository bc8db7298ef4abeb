"""Licences of the crates in the program and its Python module, which whoever passes those on must pass on with them.

    python3 tools/notices.py            # writes THIRD-PARTY.txt
    python3 tools/notices.py --check    # fails if it is not what would be written

Takes the dependencies of both with default features, on all systems, without those that only build or test it, and
of each the licence files in its package. Of several licences that are offered the first of CHOICE is taken.
"""

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
OUT = ROOT / "THIRD-PARTY.txt"
# The program, and the Python module.
PARTS = ["efficientad-cli", "efficientad-python"]
CHOICE = ["MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "Apache-2.0", "MIT-0", "0BSD", "Unicode-3.0"]
# How files with the text of a licence are called; the first that is there is taken.
FILES = {
    "MIT": ["LICENSE-MIT*", "LICENSE_MIT*", "license-mit*", "LICENSE.MIT*", "*.MIT"],
    "Apache-2.0": ["LICENSE-APACHE*", "LICENSE_APACHE*", "license-apache*", "LICENSE-BoringSSL"],
    "BSD-2-Clause": ["LICENSE-BSD*"],
    "BSD-3-Clause": ["LICENSE-WHATWG"],
    "ISC": ["LICENSE-other-bits"],
    "Zlib": ["LICENSE-ZLIB*", "LICENSE-Zlib*"],
    "Unicode-3.0": ["LICENSE-UNICODE*"],
}
ANY = ["LICENSE", "LICENSE.*", "LICENCE*", "license", "license.*", "COPYING*"]

HEAD = """Crates in the program `efficientad` and in its Python module, and their licences
================================================================================

They contain the crates named here, and Rust's standard library (copyright The Rust Project contributors, MIT
or Apache-2.0). They are themselves licensed under Apache-2.0 or MIT, see LICENSE-APACHE and LICENSE-MIT. Written by
tools/notices.py.
"""


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def packages():
    """The packages of other projects that are compiled into the program or the Python module."""
    parts = [word for part in PARTS for word in ("-p", part)]
    tree = cargo("tree", "--locked", *parts, "-e", "normal,no-proc-macro", "--target", "all", "--prefix", "none")
    names = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    metadata = json.loads(cargo("metadata", "--locked", "--format-version", "1"))
    found = [it for it in metadata["packages"] if it["source"] and (it["name"], "v" + it["version"]) in names]
    return sorted(found, key=lambda it: (it["name"], it["version"]))


def chosen(expression):
    """The licences that are taken of those in an SPDX expression."""
    parts = re.split(r"\s+AND\s+", expression)
    licences = []
    for part in parts:
        offered = re.split(r"\s+OR\s+|/", part.strip("() "))
        best = [licence for licence in CHOICE if licence in offered]
        if not best:
            sys.exit(f"{expression}: none of these licences is known to {Path(__file__).name}")
        licences.append(best[0])
    return licences


def text_of(package, licence):
    """The text of a licence in a package, or the usual one with the package's authors."""
    folder = Path(package["manifest_path"]).parent
    for pattern in FILES.get(licence, []) + ANY:
        for path in sorted(folder.glob(pattern)):
            if path.is_file():
                return path.read_text(encoding="utf-8")
    if licence == "Apache-2.0":
        return (ROOT / "LICENSE-APACHE").read_text(encoding="utf-8")
    if licence == "MIT":
        authors = ", ".join(re.sub(r"\s*<.*>", "", it) for it in package["authors"]) or f"the authors of {package['name']}"
        usual = (ROOT / "LICENSE-MIT").read_text(encoding="utf-8")
        return re.sub(r"Copyright.*", lambda _: f"Copyright (c) {authors}", usual, count=1)
    sys.exit(f"{package['name']} has no text of {licence}")


def notices():
    """The whole text; crates with the same licence text stand together."""
    by_text = defaultdict(list)
    for package in packages():
        for licence in chosen(package["license"]):
            text = "\n".join(line.rstrip() for line in text_of(package, licence).strip("\ufeff\n").splitlines())
            repository = f", {package['repository']}" if package["repository"] else ""
            by_text[text].append(f"{package['name']} {package['version']} ({licence}{repository})")
    parts = [HEAD]
    for text, names in sorted(by_text.items(), key=lambda it: it[1]):
        parts.append("-" * 80 + "\n" + "\n".join(names) + "\n\n" + text + "\n")
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    text = notices()
    if not parser.parse_args().check:
        OUT.write_text(text, encoding="utf-8")
    elif not OUT.exists() or OUT.read_text(encoding="utf-8") != text:
        sys.exit(f"{OUT.name} is not that of Cargo.lock: run python3 tools/notices.py, and look at what is new")


if __name__ == "__main__":
    main()
