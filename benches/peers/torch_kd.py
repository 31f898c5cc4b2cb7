#!/usr/bin/env python3
"""Measures fused-kd against PyTorch, and against fused kernels of others, in one run.

    benches/peers/torch_kd.py                       the loss on the CPU: ours, eager, torch.compile
    benches/peers/torch_kd.py --what step           a training step of a small student network
    benches/peers/torch_kd.py --device cuda         the loss on the GPU, with others' kernels too
    benches/peers/torch_kd.py --only-torch          without our program
    benches/peers/torch_kd.py --check               agreement alone, no times

All contenders start from the logits of student and teacher and the labels, and end at the mean loss
and its gradient by the student's logits. Before anything is timed, every one is held against the
same loss in double precision, and `fused-kd loss` as well. Then they take turns: a round is one
measurement of each, so that whatever else the machine does meets all of them, and a ratio is a time
divided by ours of the same round. What is printed are medians over the rounds.

Presets:
    lr   0.9 τ² KL(p'‖q) + 0.1 CE, τ = 4, where the teacher's wrong rows are revised with η = 0.8
    kd   the same without the revision, which no fused kernel of others has
    kl   KL(p‖q) at τ = 1 and nothing else: what all others have in common

Ours also writes 64 bytes of scores per row; nobody else does.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import importlib.util
import itertools
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if sys.version_info < (3, 10):
    sys.exit("error: this Python is too old; run this with Python 3.10 or later")
if importlib.util.find_spec("torch") is None:
    sys.exit("error: PyTorch is missing; install it with `pip install torch numpy`")
# No __pycache__: the crate's package takes all of benches/.
sys.dont_write_bytecode = True

import torch

from side_by_side.cases import DTYPES, Case, LossCase, StepCase
from side_by_side.clocks import CpuClock, CudaClock
from side_by_side.contest import Contest, Outcome
from side_by_side.peers import PEERS
from side_by_side.program import Program, Trouble
from side_by_side.report import machine, notes, tables, versions, write_json
from side_by_side.table import BATCH, NETWORKS, PRESETS, SHAPES, TYPES, USUAL

ROOT = Path(__file__).resolve().parents[2]


class Progress:
    """One line on a terminal that says what is being done."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()

    def say(self, *texts: str) -> None:
        if self.live:
            print(f"\r\033[K{''.join(texts)}", end="", file=sys.stderr, flush=True)


def shapes(text: str) -> list[tuple[int, int]]:
    example = f"BxV, such as 1024x1000, or one of {', '.join(SHAPES)}"
    return [
        shape
        for part in text.split(",")
        for shape in SHAPES.get(part.strip()) or [sizes(part, "x", 2, example)]
    ]


def networks(text: str) -> list[tuple[int, ...]]:
    example = "the layers' sizes, such as 64-32-10"
    return [sizes(part, "-", None, example) for part in text.split(",")]


def sizes(text: str, between: str, count: int | None, example: str) -> tuple[int, ...]:
    parts = text.strip().split(between)
    right = len(parts) == count if count else len(parts) > 1
    if not right or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"`{text}`: write {example}")
    return tuple(map(int, parts))


def positive(text: str) -> int:
    if not text.strip().isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"`{text}`: write a whole number above 0")
    return int(text)


def numbers(text: str) -> list[int]:
    return [positive(part) for part in text.split(",")]


def names(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        found = [part.strip() for part in text.split(",")]
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"`{name}`: it must be one of {', '.join(known)}")
        return found

    return parse


def default_binary() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "fused-kd"


def parser() -> argparse.ArgumentParser:
    purpose, _, rest = __doc__.partition("\n\n")
    found = argparse.ArgumentParser(
        description=purpose,
        epilog=rest.replace("benches/peers/", ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = found.add_argument
    add("--what", choices=("loss", "step"), default="loss", help="what is measured [loss]")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where [cpu]")
    add("--binary", type=Path, metavar="PATH", help="our program [target/release/fused-kd]")
    add("--only-torch", action="store_true", help="no times of ours; with --binary its values")
    add(
        "--peers",
        type=names([peer.name for peer in PEERS]),
        metavar="NAMES",
        default=[peer.name for peer in PEERS],
        help="which contenders [all that can run]",
    )
    add(
        "--preset",
        type=names(list(PRESETS)),
        metavar="NAMES",
        help=f"{', '.join(PRESETS)} [{next(iter(PRESETS))} on the CPU, all on a GPU]",
    )
    add(
        "--shape",
        type=shapes,
        metavar="BxV,…",
        help=f"rows and classes, or a list of shapes: {', '.join(SHAPES)} "
        f"[{USUAL['cpu']}; on a GPU {USUAL['cuda']}]",
    )
    add(
        "--dtype",
        type=names(list(DTYPES)),
        default=TYPES,
        metavar="NAMES",
        help=f"of the logits [{TYPES}]",
    )
    add(
        "--network",
        type=networks,
        default=NETWORKS,
        metavar="SIZES,…",
        help=f"students of --what step [{NETWORKS}]",
    )
    add("--batch", type=positive, default=BATCH, metavar="B", help=f"rows of a step [{BATCH}]")
    add("--threads", type=numbers, metavar="N,…", help="of the CPU [1, and for the loss all cores]")
    add("--rounds", type=positive, default=5, metavar="N", help="turns of each contender [5]")
    add("--samples", type=positive, default=20, metavar="N", help="calls in a turn, at least [20]")
    add(
        "--cuda-graph",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="on a GPU: latency-bound cases also as CUDA graphs [yes]",
    )
    add("--check", action="store_true", help="agreement alone, no times")
    add("--json", type=Path, metavar="FILE", help="keep all figures, written after every case")
    return found


def with_defaults(options: argparse.Namespace) -> argparse.Namespace:
    """What depends on the device."""
    on_gpu = options.device == "cuda"
    options.preset = options.preset or list(PRESETS)[: None if on_gpu else 1]
    options.shape = options.shape or shapes(USUAL[options.device])
    cores = os.cpu_count() or 1
    usual = [1] if options.what == "step" else [1, cores]
    options.threads = options.threads or list(dict.fromkeys(usual))
    if not on_gpu:
        if max(options.threads) > cores:
            raise Trouble(f"--threads {max(options.threads)}: this machine has {cores} cores")
    elif not torch.cuda.is_available():
        raise Trouble(
            "--device cuda: this PyTorch finds no CUDA device; install the NVIDIA driver and a "
            "PyTorch built for CUDA, or measure on the CPU with --device cpu"
        )
    if options.json and not options.json.absolute().parent.is_dir():
        raise Trouble(f"--json {options.json}: its directory does not exist; make it first")
    return options


def cases(options: argparse.Namespace) -> list[Case]:
    threads = [None] if options.device == "cuda" else options.threads
    if options.what == "step":
        every = itertools.product(options.network, [options.batch], threads)
        return [StepCase(*case) for case in every]
    every = itertools.product(options.preset, options.shape, options.dtype, threads)
    return [LossCase(preset, *shape, dtype, t) for preset, shape, dtype, t in every]


def our_program(options: argparse.Namespace) -> Program | None:
    if options.only_torch and options.binary is None:
        return None
    return Program(options.binary or default_binary(), options.device)


def quiet() -> None:
    """Compilers' remarks are not about the figures."""
    warnings.filterwarnings("ignore")
    logging.getLogger("torch._dynamo").setLevel(logging.ERROR)
    logging.getLogger("torch._inductor").setLevel(logging.ERROR)


def measure(options: argparse.Namespace) -> int:
    options = with_defaults(options)
    program = our_program(options)
    clock = (CudaClock if options.device == "cuda" else CpuClock)(options.samples)
    head = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(options.device),
        "versions": versions(program),
        "rounds": options.rounds,
        "samples": options.samples,
    }
    progress, outcomes, todo = Progress(), [], cases(options)
    try:
        for index, case in enumerate(todo, 1):
            say = functools.partial(progress.say, f"[{index}/{len(todo)}] {case}: ")
            outcomes.append(Contest(case, options, program, clock, say).run())
            if options.json:
                write_json(options.json, head, outcomes)
    except torch.OutOfMemoryError as error:
        raise Trouble(
            f"{case}: the GPU's memory is too small; name smaller shapes with --shape"
        ) from error
    except KeyboardInterrupt:
        print(f"\ninterrupted after {len(outcomes)} of {len(todo)} cases", file=sys.stderr)
    finally:
        progress.say("")
        if outcomes:
            report(head, outcomes, options)
    if len(outcomes) < len(todo):
        return 130
    return 1 if any(outcome.disagreements for outcome in outcomes) else 0


def report(head: dict[str, Any], outcomes: list[Outcome], options: argparse.Namespace) -> None:
    known = head["machine"]
    print(", ".join(f"{name} {version}" for name, version in head["versions"].items()))
    print(
        f"{known.get('gpu', known['processor'])}, {known['cores']} cores, {known['system']}, "
        f"load {known['load'][0]}, {head['date']}\n"
    )
    print("\n".join(tables(outcomes)))
    print("\n".join(f"- {note}" for note in notes(outcomes, options)))
    if known["load"][0] > 0.5 and not options.check:
        print(
            f"warning: the load was {known['load'][0]} before the start; repeat this when the "
            "machine is idle",
            file=sys.stderr,
        )


def main() -> int:
    quiet()
    try:
        return measure(parser().parse_args())
    except Trouble as trouble:
        print(f"error: {trouble}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
