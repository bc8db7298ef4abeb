"""Writes the fixture that the drift test of crates/stream is tested against: the wealth after every
part, from the definition in docs/watch.md, with one stake for every possible time of a change.

Needs numpy and scipy:

    python3 -m venv .venv && .venv/bin/pip install scipy
    .venv/bin/python tools/drift_fixtures.py
"""

import json
import math
from pathlib import Path

import numpy as np
from scipy.stats import beta

FIXTURE = Path(__file__).parent.parent / "crates/stream/tests/fixtures/drift.json"


def prior_after(parts):
    """Probability that the change comes after `parts` parts."""
    return 1 / math.log2(parts + 2)


def tests(calibration, defect_rate):
    """What is counted: whether a score is beyond a level, and the largest rate of that without drift."""
    ascending = np.sort(calibration)
    n = len(ascending)
    ranks = sorted({1, math.ceil((n + 1) / 8), math.ceil(n / 2)})
    for rank in ranks:
        good = beta(rank, n + 1 - rank).isf(0.005 / (2 * len(ranks)))
        explained = defect_rate + (1 - defect_rate) * good
        yield lambda score, level=ascending[n - rank]: score > level, explained
        yield lambda score, level=ascending[rank - 1]: score < level, explained


def wealth(calibration, defect_rate, scores):
    """The wealth after every part."""
    total = np.zeros(len(scores))
    bets = 0
    for is_beyond, explained in tests(calibration, defect_rate):
        beyond = np.array([is_beyond(score) for score in scores])
        for way in [0.25, 0.6, 0.95]:
            rate = explained + (1 - explained) * way
            payoffs = np.where(beyond, rate / explained, (1 - rate) / (1 - explained))
            bets += 1
            for t in range(len(scores)):
                for s in range(t + 1):
                    stake = prior_after(s) - prior_after(s + 1)
                    total[t] += stake * np.prod(payoffs[s : t + 1])
    return [total[t] / bets + prior_after(t + 1) for t in range(len(scores))]


def case(random, n, defect_rate, shift):
    calibration = random.gumbel(size=n).astype(np.float32)
    before = random.gumbel(size=40)
    after = random.gumbel(size=60) + shift
    scores = np.concatenate([before, after]).astype(np.float32)
    return {
        "calibration": [float(score) for score in calibration],
        "defect_rate": defect_rate,
        "scores": [float(score) for score in scores],
        "wealth": wealth(calibration, defect_rate, scores),
    }


def main():
    random = np.random.default_rng(0)
    cases = [
        case(random, n, defect_rate, shift)
        for n, defect_rate, shift in [(3, 0.1, 1), (8, 0.0, -5), (9, 0.1, 8), (40, 0.3, 4), (100, 0.1, -1)]
    ]
    FIXTURE.parent.mkdir(parents=True, exist_ok=True)
    FIXTURE.write_text(json.dumps({"cases": cases}) + "\n")


if __name__ == "__main__":
    main()
