"""Asks a server by Triton's own client for what `efficientad predict` has found: it must be the same, to the last bit.

    triton.py ADDRESS MODEL predicted.jsonl FOLDER-OF-MAPS
"""

import json
import sys
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from PIL import Image

address, name, predicted, maps = sys.argv[1:]
predicted = [json.loads(line) for line in open(predicted)]
client = triton.InferenceServerClient(address)
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(name)
metadata = client.get_model_metadata(name)
version = metadata["versions"][0]
assert client.is_model_ready(name, version)
assert [it["name"] for it in metadata["inputs"]] == ["image", "pixels"], metadata
assert [model["name"] for model in client.get_model_repository_index()] == [name]

ALL = ["score", "anomalous", "p_value", "verdict", "map"]


def infer(tensor, datatype, binary_in=True, binary_out=True, version="", outputs=ALL):
    request = triton.InferInput("image" if datatype == "BYTES" else "pixels", list(tensor.shape), datatype)
    request.set_data_from_numpy(tensor, binary_data=binary_in)
    wanted = [triton.InferRequestedOutput(it, binary_data=binary_out) for it in outputs]
    return client.infer(name, [request], model_version=version, outputs=wanted or None, request_id="7")


def check(result, expected, label):
    assert result.get_response()["id"] == "7" and result.get_response()["model_version"] == version
    score, p_value = result.as_numpy("score"), result.as_numpy("p_value")
    assert score.dtype == np.float32 and p_value.dtype == np.float64
    assert score.tobytes() == np.array([it["score"] for it in expected], np.float32).tobytes(), (label, score)
    assert p_value.tolist() == [it["p_value"] for it in expected], (label, p_value)
    assert result.as_numpy("anomalous").tolist() == [it["anomalous"] for it in expected], label


def check_all(result, expected, label):
    check(result, expected, label)
    for text, it in zip(result.as_numpy("verdict"), expected):
        verdict = json.loads(text)
        assert {**verdict, "path": ""} == {**it, "path": ""}, (label, verdict)
    stored = [np.array(Image.open(Path(maps) / Path(it["path"]).with_suffix(".tiff").name)) for it in expected]
    assert result.as_numpy("map").tobytes() == np.stack(stored).astype(np.float32).tobytes(), label


files = np.array([Path(it["path"]).read_bytes() for it in predicted], dtype=np.object_)
pixels = np.stack([np.array(Image.open(it["path"]).convert("RGB")) for it in predicted])
check_all(infer(files, "BYTES"), predicted, "files")
check_all(infer(files[:, None], "BYTES", version=version), predicted, "files, N × 1")
check_all(infer(pixels, "UINT8"), predicted, "pixels")
check_all(infer(pixels[1], "UINT8"), predicted[1:2], "pixels of one photo")
check_all(infer(pixels, "UINT8", binary_in=False, binary_out=False), predicted, "JSON")
check_all(infer(pixels, "UINT8", binary_in=False), predicted, "JSON in")
check(infer(files, "BYTES", outputs=[]), predicted, "outputs by default")

client.unload_model(name)
assert not client.is_model_ready(name)
client.load_model(name)
assert client.is_model_ready(name)
check_all(infer(files, "BYTES"), predicted, "loaded again")
try:
    infer(np.array([b"no photo"], dtype=np.object_), "BYTES")
    sys.exit("what is no photo was judged")
except triton.InferenceServerException as error:
    assert "image[0]: is not an image" in str(error), error
print("the same")
