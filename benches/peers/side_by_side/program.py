"""Our program."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from .cases import Case
from .losses import Batch
from .table import PRESETS


class Trouble(Exception):
    """What the user has to know and can mend."""


class Program:
    """`fused-kd`, run as anybody would."""

    def __init__(self, path: Path, engine: str):
        if not path.is_file():
            raise Trouble(
                f"there is no program at {path}; build it with `cargo build --release`, name it "
                "with --binary PATH, or measure PyTorch alone with --only-torch"
            )
        self.path, self.engine = path, engine

    def output(self, arguments: Sequence[str | Path]) -> str:
        command = [str(self.path), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            words = " ".join(["fused-kd", *command[1:]])
            said = done.stderr.lstrip("× \n").partition("\n")[0] or "nothing on stderr"
            raise Trouble(
                f"`{words}` failed with status {done.returncode}: {said}\nIf the program is older "
                "than this script, build it anew: `cargo build --release`"
            )
        return done.stdout

    def version(self) -> str:
        return self.output(["--version"]).strip()

    def bench(self, case: Case) -> dict[str, Any]:
        """What one run says of a case: `median_s`, and for the loss `gbs` and `fraction`."""
        arguments = ["bench", "--engine", self.engine, *case.arguments(), "--json"]
        text = self.output(arguments)
        try:
            said = json.loads(text)
            (measured,) = said["cases"]
            about = {key: said.get(key) for key in ("isa", "threads")}
            return {**about, **measured, "median_s": float(measured["median_s"])}
        except (ValueError, KeyError, TypeError) as error:
            raise Trouble(
                f"`fused-kd {' '.join(arguments)}` printed no JSON with one case and its median_s "
                f"({type(error).__name__}: {error}); build it anew: `cargo build --release`"
            ) from error

    def loss(self, preset: str, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Total and gradient of a batch in f32, through files."""
        import numpy

        with tempfile.TemporaryDirectory() as folder:
            arguments = ["loss", *PRESETS[preset], "--engine", self.engine]
            for name in ("student", "teacher", "labels"):
                file = Path(folder) / f"{name}.npy"
                numpy.save(file, getattr(batch, name).detach().cpu().numpy())
                arguments += [f"--{name}", file]
            out = Path(folder) / "out"
            self.output([*arguments, "--out", out])
            total = float(json.loads((out / "summary.json").read_text())["total"])
            return torch.tensor(total), torch.from_numpy(numpy.load(out / "grad.npy"))
