"""What is said about the outcomes: tables for people, JSON for programs."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import itertools
import json
import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from .agreement import GRADIENT_TOLERANCE, TOTAL_TOLERANCE
from .cases import LossCase, StepCase
from .contest import Contender, Outcome
from .peers import PEERS, Peer
from .program import Program
from .step import DECAY, MOMENTUM


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            return f"{seconds / size:.3g} {unit}"
    raise AssertionError


def times(ratio: float) -> str:
    digits = 2 if ratio < 10 else 1 if ratio < 100 else 0
    return f"{ratio:.{digits}f}×"


def number(value: float | None, form: str = ".1f") -> str:
    return "" if value is None else format(value, form)


def cell(outcome: Outcome, name: str) -> str:
    """A contender's time, and how many times ours it is or else its bytes a second."""
    if name in outcome.failures:
        return "failed"
    contender = next((c for c in outcome.contenders if c.name == name), None)
    if contender is None:
        return ""
    if not contender.rounds:
        return agreement(contender)
    ratios = outcome.ratios(contender)
    if ratios:
        return f"{duration(contender.median)}, {times(statistics.median(ratios))}"
    gbs = outcome.gbs(contender)
    return duration(contender.median) + ("" if gbs is None else f", {gbs:.2f} GB/s")


def agreement(contender: Contender) -> str:
    found = contender.deviation
    return "" if found is None else f"{found.total:.0e}, {found.gradient:.0e}"


def row(outcome: Outcome, names: Sequence[str]) -> dict[str, str]:
    case = outcome.case
    if isinstance(case, LossCase):
        cells = {"shape": f"{case.rows}x{case.classes}", "dtype": case.dtype}
    else:
        cells = {"network": case.name, "batch": str(case.rows)}
    if case.threads is not None:
        cells["threads"] = str(case.threads)
    if outcome.copy is not None and outcome.copy.rounds:
        cells["copy GB/s"] = number(outcome.copy_gbs())
    if outcome.ours is not None and not outcome.ours.rounds:
        cells["fused-kd"] = agreement(outcome.ours)
    elif outcome.ours is not None:
        cells["fused-kd"] = duration(outcome.ours.median)
        if isinstance(case, LossCase):
            cells["GB/s"] = number(outcome.reported("gbs"))
            cells["of copy"] = number(outcome.reported("fraction"), ".2f")
    return cells | {name: cell(outcome, name) for name in names}


def table(rows: list[dict[str, str]]) -> str:
    """Rows as Markdown that also reads as it is."""
    columns = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    lines = [columns] + [[row.get(column, "") for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def tables(outcomes: list[Outcome]) -> Iterator[str]:
    """One table per preset, or of the steps."""
    for name in dict.fromkeys(outcome.case.subject for outcome in outcomes):
        group = [outcome for outcome in outcomes if outcome.case.subject == name]
        names = list(dict.fromkeys(name for outcome in group for name in names_of(outcome)))
        yield name
        yield table([row(outcome, names) for outcome in group]) + "\n"


def names_of(outcome: Outcome) -> list[str]:
    return [contender.name for contender in outcome.contenders] + list(outcome.failures)


def notes(outcomes: list[Outcome], options: argparse.Namespace) -> Iterator[str]:
    """What the figures mean, what was left out, and what went wrong."""
    yield from legend(outcomes, options)
    yield from designs(outcomes)
    yield from absences(options)
    if importlib.util.find_spec("numpy") is None and options.what == "loss":
        yield "not checked: the values of fused-kd; install numpy with `pip install numpy`"
    yield from failures(outcomes)
    for outcome in outcomes:
        yield from (f"DISAGREES: {text}" for text in outcome.disagreements)


def failures(outcomes: list[Outcome]) -> Iterator[str]:
    """Each way to fail once."""
    found: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        for failure in outcome.failures.items():
            found.setdefault(failure, []).append(str(outcome.case))
    for (name, why), cases in found.items():
        more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
        yield f"failed: {name} in {cases[0]}{more}: {why}"


def legend(outcomes: list[Outcome], options: argparse.Namespace) -> Iterator[str]:
    if options.check:
        yield (
            "How far from double precision: the total, relative to it, and the gradient, relative "
            f"to its largest entry; {TOTAL_TOLERANCE:.0e} and, by type, "
            + ", ".join(f"{dtype} {bound:.0e}" for dtype, bound in GRADIENT_TOLERANCE.items())
            + " are let pass."
        )
        return
    yield (
        f"Medians over {options.rounds} rounds in which all take turns, of at least "
        f"{options.samples} calls each."
    )
    if not options.only_torch:
        yield "n×: this many times fused-kd's time in the same round."
    spread = widest_spread(outcomes)
    if spread:
        yield spread
    for outcome in outcomes:
        used = outcome.reported("threads")
        if used is not None and outcome.case.threads not in (None, used):
            yield f"{outcome.case}: fused-kd ran on {used:.0f}."
    yield (
        "A step: a batch gathered by index, forward of a network with ReLU, the preset lr, "
        f"backward, and SGD with Nesterov's momentum {MOMENTUM} and weight decay {DECAY}, in f32."
        if options.what == "step"
        else "GB/s: what must move by the time: both logits read once, the gradient written once, "
        "12 bytes per logit in f32 and 6 in bf16."
    )
    if options.device == "cuda":
        yield (
            "Calls are timed by events, with the gaps in which the GPU waits for Python. fused-kd "
            "times CUDA graphs; where calls are short, hold the +graph columns against it."
        )


def widest_spread(outcomes: list[Outcome]) -> str | None:
    """Where the rounds disagree most: a ratio is worth no more than that."""
    found = [
        (max(ratios) / min(ratios), outcome.case, contender.name, min(ratios), max(ratios))
        for outcome in outcomes
        for contender in outcome.contenders
        if (ratios := outcome.ratios(contender))
    ]
    if not found:
        return None
    _, case, name, low, high = max(found, key=lambda entry: entry[0])
    return f"Ratios varied most in {case}, {name}: {times(low)} to {times(high)} over the rounds."


def designs(outcomes: list[Outcome]) -> Iterator[str]:
    """What each contender computes, and how many bytes its design moves per logit."""
    if any(isinstance(outcome.case, StepCase) for outcome in outcomes):
        yield "eager: autograd and PyTorch's fused SGD"
        yield "compile: the loss with the network compiled as one, and the optimiser compiled"
        return
    for peer in PEERS:
        if not any(peer.name in names_of(outcome) for outcome in outcomes):
            continue
        moved = moved_bytes(peer, outcomes)
        told = f"; moves {moved} bytes per logit, caches aside" if moved else ""
        yield f"{peer.name}: {peer.computes}{told}"


def moved_bytes(peer: Peer, outcomes: list[Outcome]) -> str:
    found: dict[str, tuple[int, float]] = {}
    for outcome in outcomes:
        for contender in outcome.contenders:
            if contender.name == peer.name and contender.moved_per_element is not None:
                case = outcome.case
                # Labels and sums of a row weigh least where rows are long.
                entry = (case.classes, contender.moved_per_element)
                key = f"{case.preset} {case.dtype}"
                found[key] = max(found.get(key, entry), entry)
    return ", ".join(f"{moved:.0f} ({key})" for key, (_, moved) in found.items())


def absences(options: argparse.Namespace) -> Iterator[str]:
    if options.what == "step":
        return
    for peer in PEERS:
        if peer.name not in options.peers or not peer.foreign:
            continue
        install = "" if peer.is_there() else f"; install it with `pip install {peer.package}`"
        if options.device != "cuda":
            yield f"left out: {peer.name}, which needs a GPU: --device cuda{install}"
        elif install:
            yield f"left out: {peer.name}, whose package is absent{install}"
        elif not set(peer.presets) & set(options.preset):
            yield f"left out: {peer.name}, which computes {' and '.join(peer.presets)} alone"


def machine(device: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load": [round(value, 2) for value in os.getloadavg()],
    }
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found["gpu"] = properties.name
        found["compute_capability"] = f"{properties.major}.{properties.minor}"
        found["gpu_memory_bytes"] = properties.total_memory
    return found


def processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def versions(program: Program | None) -> dict[str, str]:
    found = {"python": platform.python_version(), "torch": torch.__version__}
    if torch.version.cuda:
        found["cuda of torch"] = torch.version.cuda
    for package in ["triton", *(peer.package for peer in PEERS if peer.foreign)]:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    if program is not None:
        found["fused-kd"] = program.version().removeprefix("fused-kd ")
    return found


def record(outcome: Outcome) -> dict[str, Any]:
    """A case as JSON."""
    peers = [contender_record(outcome, contender) for contender in outcome.contenders]
    found = outcome.case.fields() | {"contenders": peers}
    if outcome.copy is not None:
        found["copy_gbs"] = outcome.copy_gbs()
    if outcome.ours is not None:
        found["fused_kd"] = contender_record(outcome, outcome.ours) | {"reports": outcome.reports}
    return found | {"failures": outcome.failures, "disagreements": outcome.disagreements}


def contender_record(outcome: Outcome, contender: Contender) -> dict[str, Any]:
    found: dict[str, Any] = {"name": contender.name}
    if contender.rounds:
        found |= {"median_s": contender.median, "rounds_s": contender.rounds}
    if contender is outcome.ours:
        keys = ("bytes", "gbs", "copy_gbs", "fraction")
        found |= {key: outcome.reported(key) for key in keys if outcome.reported(key) is not None}
    else:
        found["gbs"] = outcome.gbs(contender)
        ratios = outcome.ratios(contender)
        if ratios:
            found |= {"ratio": statistics.median(ratios), "ratios": ratios}
    if contender.deviation is not None:
        found["deviation"] = vars(contender.deviation)
    if contender.moved_per_element is not None:
        found["moved_bytes_per_element"] = contender.moved_per_element
    return found


def write_json(file: Path, head: dict[str, Any], outcomes: list[Outcome]) -> None:
    text = json.dumps(head | {"cases": list(map(record, outcomes))}, indent=1, ensure_ascii=False)
    # Beside it first: who is interrupted keeps the cases that are done.
    part = file.with_name(file.name + ".part")
    part.write_text(text + "\n")
    part.replace(file)
