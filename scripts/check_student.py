#!/usr/bin/env python3
"""Checks that students give the same logits elsewhere: `fused-kd predict` against student.onnx in
onnxruntime, and against student.safetensors in NumPy by the formula that the file gives.

    scripts/check_student.py --binary target/release/fused-kd

Needs numpy and onnxruntime; with torch and safetensors, the lines of Python that `fused-kd train`
prints are run as well. Exit status 1 and a table if anything differs.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

TOLERANCE = 1e-5
TYPES = {"F32": np.float32, "F64": np.float64}


def read_safetensors(path):
    """The tensors and the description, without the library: 8 bytes of length, a header, the data."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    about = json.loads(header.pop("__metadata__")["fused-kd"])
    tensors = {}
    for name, info in header.items():
        start, end = (8 + length + offset for offset in info["data_offsets"])
        values = np.frombuffer(data[start:end], TYPES[info["dtype"]])
        tensors[name] = values.reshape(info["shape"])
    return tensors, about


def numpy_logits(tensors, x):
    """logits = net((x − mean) / scale) with net = Linear, ReLU, …, Linear."""
    scaled = (x.astype(np.float64) - tensors["scaling.mean"]) / tensors["scaling.scale"]
    values = np.nan_to_num(scaled.astype(np.float32), nan=0.0)
    places = sorted(int(name.split(".")[0]) for name in tensors if name.endswith(".weight"))
    for place in places:
        values = values @ tensors[f"{place}.weight"].T + tensors[f"{place}.bias"]
        if place != places[-1]:
            values = np.maximum(values, 0)
    return values


def torch_logits(lines, x):
    """What the lines that `train` prints give; None where PyTorch is not at hand."""
    try:
        import safetensors.torch
        import torch
    except ImportError:
        return None
    names = {"torch": torch, "nn": torch.nn, "safetensors": safetensors, "x": torch.from_numpy(x)}
    exec(lines, names)
    return names["logits"].detach().numpy()


def table(rows, names):
    return "\n".join([",".join(names)] + [",".join(map(str, row)) for row in rows]) + "\n"


def measurements(seed, columns, classes, offset, missing):
    """Rows of a table with units of their own, and their features as numbers."""
    draw = random.Random(seed)
    rows = []
    for i in range(120):
        label = i % classes
        row = [round(draw.gauss(offset * (j + 1) + label * 2, 3.0 * 10 ** (j % 3)), 3) for j in range(columns)]
        if missing and i % 7 == 3:
            row[i % columns] = float("nan")
        rows.append((row, label))
    return rows


def make_csv(path, rows, classes):
    cells = [["" if value != value else value for value in row] + [classes[label]] for row, label in rows]
    names = [f"feature {i}" for i in range(len(rows[0][0]))] + ["label"]
    path.write_text(table(cells, names))
    return np.array([row for row, _ in rows], np.float32)


# Of each case: columns, names of classes, how far features are from 0, whether some are missing, and the setting.
CASES = {
    "units of their own, named classes": (4, ["ash", "oak", "yew"], 10, False, "--hidden 16"),
    "one scale for all": (5, ["0", "1"], 3, False, "--hidden 8 --scaling common"),
    "no scaling": (3, ["7", "9"], 0, False, "--hidden 8 --scaling none"),
    "missing features": (4, ["a", "b"], 5, True, "--hidden 8 --data csv:CSV?missing=mean"),
    "two hidden layers, far from 0": (6, ["a", "b"], 1e4, False, "--hidden 16-8"),
    "no hidden layer": (3, ["x", "y"], 5, False, "--set student.hidden=[]"),
}


def check(binary, place, case):
    """The largest difference to each other program, relative to the largest logit."""
    columns, classes, offset, missing, options = CASES[case]
    csv = place / "rows.csv"
    x = make_csv(csv, measurements(len(case), columns, len(classes), offset, missing), classes)
    source = f"csv:{csv}" + ("?missing=mean" if missing else "")
    options = options.replace("--data csv:CSV?missing=mean", "").split()
    out, logits = place / "student", place / "logits.npy"

    def run(*arguments):
        command = [binary, *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=place).stderr

    said = run("train", "--data", source, "--epochs", 20, "--teacher-epochs", 5, *options, "--out", out)
    run("predict", "--model", out / "student.safetensors", "--data", source, "--logits", logits)
    ours = np.load(logits)
    lines = said[said.index("state = ") :]

    tensors, about = read_safetensors(out / "student.safetensors")
    assert about["class-names"] == classes, about["class-names"]
    session = onnxruntime.InferenceSession(str(out / "student.onnx"))
    described = session.get_modelmeta().custom_metadata_map["fused-kd"]
    assert json.loads(described) == about
    theirs = {
        "onnxruntime": session.run(["logits"], {"features": x})[0],
        "NumPy": numpy_logits(tensors, x),
        "PyTorch": None if missing else torch_logits(lines, x),
    }
    return {name: None if z is None else np.abs(z - ours).max() / max(1, np.abs(ours).max()) for name, z in theirs.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, type=Path)
    binary = parser.parse_args().binary.resolve()
    failed = False
    print(f"largest difference of logits, relative to the largest of them (at most {TOLERANCE:.0e})")
    for case in CASES:
        with tempfile.TemporaryDirectory() as place:
            differences = check(binary, Path(place), case)
        cells = [f"{name} {'not here' if d is None else f'{d:.1e}'}" for name, d in differences.items()]
        print(f"  {case:34}", *cells, sep="  ")
        failed |= any(d is not None and not d <= TOLERANCE for d in differences.values())
    sys.exit(failed)


if __name__ == "__main__":
    main()
