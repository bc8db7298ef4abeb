"""What another implementation of Sparkplug B says of the messages of a station.

    python3 sparkplug.py rebirth         # the command to be born again, in hexadecimal digits
    python3 sparkplug.py check FILE      # a message a line: quality, retained, topic, payload in hexadecimal digits
"""

import sys

from pysparkplug import DataType, DBirth, DData, Metric, NBirth, NCmd, NDeath

PREFIX = "spBv1.0/efficientad"
NODE = "cell 4"


def rebirth():
    metric = Metric(timestamp=1, name="Node Control/Rebirth", datatype=DataType.BOOLEAN, value=True)
    print(NCmd(timestamp=1, metrics=(metric,)).encode(include_dtypes=True).hex())


def messages(path):
    """Kind, device and payload of each message; quality and retained are as the specification says."""
    kinds = {"NBIRTH": NBirth, "NDEATH": NDeath, "DBIRTH": DBirth, "DDATA": DData}
    for line in open(path):
        quality, retained, rest = line.rstrip("\n").split(" ", 2)
        topic, payload = rest.rsplit(" ", 1)
        kind, _, device = topic.removeprefix(PREFIX + "/").partition("/" + NODE)
        if kind == "NCMD":
            continue
        assert retained == "0" and quality == ("1" if kind == "NDEATH" else "0"), line
        yield kind, device.removeprefix("/"), kinds[kind].decode(bytes.fromhex(payload))


def values(payload):
    return {metric.name: metric.value for metric in payload.metrics}


def check(path):
    expected_seq, bd_seq, photos, births, names = None, None, [], 0, None
    for kind, device, payload in messages(path):
        if kind == "NDEATH":
            assert (payload.bd_seq_metric.name, payload.bd_seq_metric.value) == ("bdSeq", bd_seq)
            expected_seq = None
            continue
        metrics = values(payload)
        if kind == "NBIRTH":
            births += 1
            expected_seq = 0
            bd_seq = metrics["bdSeq"]
            assert bd_seq == (0 if births == 1 else 1), "a rebirth is of the same connection"
            assert metrics["Node Control/Rebirth"] is False
        assert payload.seq == expected_seq, (kind, payload.seq, expected_seq)
        expected_seq = (expected_seq + 1) % 256
        if kind == "DBIRTH":
            assert device == "lids"
            names = set(metrics)
            assert {"Ready", "Verdict", "Score", "Counters/Good"} <= names
        if kind == "DDATA":
            assert set(metrics) <= names, "every metric was in the birth"
            if "Photo" in metrics:
                photos.append(metrics["Photo"])
                number = int(metrics["Photo"].removeprefix("lids/"))
                assert metrics["Verdict"] == ("anomalous" if number % 10 >= 5 else "good")
                assert metrics["Reject"] == (number % 10 >= 5)
                assert abs(metrics["Score"] - number % 10 / 10) < 1e-6
                assert metrics["Sequence"] == number + 1 and metrics["PValue"] == 0.25
                assert metrics["Counters/Good"] + metrics["Counters/Anomalous"] == number
    assert births == 3, births
    first = list(dict.fromkeys(photos))
    assert first == [f"lids/{number}" for number in range(1, 303)], first


if __name__ == "__main__":
    rebirth() if sys.argv[1] == "rebirth" else check(sys.argv[2])
