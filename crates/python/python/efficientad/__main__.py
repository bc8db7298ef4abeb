"""The command line: `python -m efficientad --help`."""

import signal
import sys

from ._native import main as _main


def main():
    # Python would note the signal and wait until the command ends.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
