"""Files of Debian packages, without installing them; needs `apt-get` and `dpkg-deb`."""

import subprocess


def unpack(package, downloads):
    """The folder of a package's files, in a folder of downloads."""
    folder = downloads / package
    if not folder.exists():
        downloads.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", package], cwd=downloads, check=True)
        (archive,) = downloads.glob(f"{package}_*.deb")
        partial = downloads / f"{package}.partial"
        subprocess.run(["dpkg-deb", "-x", archive, partial], check=True)
        partial.rename(folder)
    return folder
