"""The table of cases, which our program and the criterion benches read too; without PyTorch."""

from __future__ import annotations

import json
from pathlib import Path

# Beside peers/.
TABLE = json.loads((Path(__file__).resolve().parents[2] / "cases.json").read_text(encoding="utf-8"))

# Rows and classes by the name of their list.
SHAPES = {
    name: [(shape["rows"], shape["classes"]) for shape in shapes]
    for name, shapes in TABLE["shapes"].items()
}
# The lists that are measured on a device unless others are asked for.
USUAL = {device: ",".join(TABLE["usual"][key]) for device, key in (("cpu", "cpu"), ("cuda", "gpu"))}
TYPES = ",".join(TABLE["types"])
# The presets, and what our program is told for each.
PRESETS: dict[str, list[str]] = {
    preset["name"]: preset["options"].split() for preset in TABLE["presets"]
}
NETWORKS = ",".join("-".join(map(str, sizes)) for sizes in TABLE["networks"])
BATCH: int = TABLE["batch"]
