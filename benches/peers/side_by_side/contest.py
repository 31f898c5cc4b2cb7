"""One case: its contenders are prepared and checked, and then take turns."""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from .agreement import Deviation, deviation, parameters_deviation
from .cases import Case, LossCase, StepCase, batch_of, samples_of
from .clocks import REPLAYS, Clock, graphed
from .losses import Batch, eager
from .peers import PEERS, Peer, moved_per_element
from .program import Program, Trouble
from .step import trained

# Up to so many bytes a case is bound by latency and worth a CUDA graph.
LATENCY_BOUND = 32 << 20
# Logits that are enough to check our program with.
CHECKED_ELEMENTS = 1 << 22


@dataclass
class Contender:
    """One way to do a case, and what was found about it."""

    name: str
    deviation: Deviation | None = None
    moved_per_element: float | None = None
    # The median of each round, in seconds a call; of the copy in seconds a byte.
    rounds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


@dataclass
class Outcome:
    """What was found about one case."""

    case: Case
    ours: Contender | None = None
    contenders: list[Contender] = field(default_factory=list)
    copy: Contender | None = None
    # What our program said in each round.
    reports: list[dict[str, Any]] = field(default_factory=list)
    # Why a contender has no time.
    failures: dict[str, str] = field(default_factory=dict)
    disagreements: list[str] = field(default_factory=list)

    def ratios(self, contender: Contender) -> list[float]:
        """Its times by ours of the same round."""
        if self.ours is None or not self.ours.rounds:
            return []
        pairs = zip(contender.rounds, self.ours.rounds, strict=True)
        return [theirs / ours for theirs, ours in pairs]

    def gbs(self, contender: Contender) -> float | None:
        """What had to move by the time that it took: 1e9 bytes a second."""
        if not isinstance(self.case, LossCase) or not contender.rounds:
            return None
        return self.case.required_bytes / contender.median / 1e9

    def copy_gbs(self) -> float | None:
        return 1e-9 / self.copy.median if self.copy and self.copy.rounds else None

    def reported(self, key: str) -> float | None:
        """The median of what our program says of itself."""
        found = [report[key] for report in self.reports if report.get(key) is not None]
        return statistics.median(found) if found else None


class Contest:
    """One case: its contenders are prepared and checked, and then take turns."""

    def __init__(
        self,
        case: Case,
        options: argparse.Namespace,
        program: Program | None,
        clock: Clock,
        say: Callable[[str], None],
    ):
        self.options, self.program, self.clock, self.say = options, program, clock, say
        self.outcome = Outcome(case)
        # Kept apart from the outcome, because they hold the inputs and go when the case is done.
        self.turns: list[tuple[Contender, Callable[[], float]]] = []

    def run(self) -> Outcome:
        case = self.outcome.case
        set_threads(case.threads)
        if isinstance(case, LossCase):
            self.prepare_losses(case)
        else:
            self.prepare_steps(case)
        if not self.options.check:
            self.take_turns()
        return self.outcome

    def take_turns(self) -> None:
        for number in range(self.options.rounds):
            # Back and forth, so that a machine that gets slower or faster favours nobody.
            for contender, seconds in self.turns[:: 1 if number % 2 == 0 else -1]:
                self.say(f"round {number + 1} of {self.options.rounds}, {contender.name}")
                with self.surviving(contender.name):
                    contender.rounds.append(seconds())
        finished = [c for c in self.outcome.contenders if len(c.rounds) == self.options.rounds]
        self.outcome.contenders = finished

    def prepare_losses(self, case: LossCase) -> None:
        batch = batch_of(case, self.clock.device)
        truth = eager(case.preset)(batch.copy(torch.float64))
        self.prepare_program(lambda program: check_program(case, program, batch))
        batches = [batch] + [batch.copy() for _ in range(self.clock.copies(case) - 1)]
        for peer in chosen_peers(self.options):
            if case.preset in peer.presets:
                self.say(f"preparing {peer.name}")
                with self.surviving(peer.name):
                    self.prepare_loss(case, peer, batches, truth)
        self.prepare_copy(case)

    def prepare_loss(
        self, case: LossCase, peer: Peer, batches: list[Batch], truth: tuple[torch.Tensor, ...]
    ) -> None:
        step = peer.prepare(case.preset)
        found = deviation(step(batches[0].copy()), truth)
        self.check(peer.name, found, case.dtype)
        moved = moved_per_element(peer, step, batches[0].copy())
        if peer.in_place:
            batches = [batch.copy() for batch in batches]
        calls = [functools.partial(step, batch) for batch in batches]
        self.add(Contender(peer.name, found, moved), calls)
        if self.wants_graph(case, peer):
            graph = Contender(f"{peer.name}+graph", found, moved)
            with self.surviving(graph.name):
                replay = [graphed(calls)]
                self.outcome.contenders.append(graph)
                self.turns.append((graph, lambda: self.clock.median(replay, REPLAYS) / len(calls)))

    def wants_graph(self, case: LossCase, peer: Peer) -> bool:
        asked = self.options.device == "cuda" and self.options.cuda_graph
        return asked and case.required_bytes <= LATENCY_BOUND and not peer.synchronises

    def prepare_steps(self, case: StepCase) -> None:
        device = self.clock.device
        samples = samples_of(case, device)
        truth = trained(case, samples, device, torch.float64, compiled=False)
        self.prepare_program(lambda program: None)
        for peer in chosen_peers(self.options):
            if not peer.foreign:
                self.say(f"preparing {peer.name}")
                with self.surviving(peer.name):
                    in_one = peer.name == "compile"
                    trainer = trained(case, samples, device, torch.float32, in_one)
                    found = parameters_deviation(trainer.parameters(), truth.parameters())
                    self.check(peer.name, found, "f32")
                    step = functools.partial(trainer.step, samples)
                    calls = [functools.partial(step, rows) for rows in samples.batches]
                    self.add(Contender(peer.name, found), calls)

    def prepare_program(self, check: Callable[[Program], Deviation | None]) -> None:
        if self.program is None:
            return
        self.say("checking fused-kd")
        ours = Contender("fused-kd", check(self.program))
        if ours.deviation is not None:
            self.check(ours.name, ours.deviation, "f32")
        self.outcome.ours = ours
        if not self.options.only_torch:
            self.turns.append((ours, self.program_seconds))

    def program_seconds(self) -> float:
        report = self.program.bench(self.outcome.case)
        self.outcome.reports.append(report)
        return report["median_s"]

    def prepare_copy(self, case: LossCase) -> None:
        source, destination = self.clock.copy_buffers(case)
        moved = 2 * source.nbytes
        self.outcome.copy = Contender("copy")
        copy = functools.partial(destination.copy_, source)
        self.turns.append((self.outcome.copy, lambda: self.clock.median([copy]) / moved))

    def add(self, contender: Contender, calls: Sequence[Callable[[], Any]]) -> None:
        self.outcome.contenders.append(contender)
        self.turns.append((contender, lambda: self.clock.median(calls)))

    def check(self, name: str, found: Deviation, dtype: str) -> None:
        if not found.is_within(dtype):
            self.outcome.disagreements.append(
                f"{self.outcome.case}: {name} differs from double precision by {found.total:.1e} "
                f"of the total and {found.gradient:.1e} of the largest gradient"
            )

    @contextlib.contextmanager
    def surviving(self, name: str) -> Iterator[None]:
        """What one contender cannot do is said under the table, and the others go on."""
        try:
            yield
        except Trouble:
            raise
        except Exception as error:  # Kernels and compilers of others raise anything.
            text = str(error).strip().partition("\n")[0]
            self.outcome.failures[name] = f"{type(error).__name__}: {text}"[:300]


def chosen_peers(options: argparse.Namespace) -> list[Peer]:
    """Those that were asked for and can run here."""
    found = [peer for peer in PEERS if peer.name in options.peers]
    on_gpu = options.device == "cuda"
    return [peer for peer in found if not peer.foreign or on_gpu and peer.is_there()]


def set_threads(threads: int | None) -> None:
    """Each case compiles anew: code is specialised for its shape and number of threads."""
    import torch._dynamo
    import torch._inductor.config

    torch._dynamo.reset()
    if threads is not None:
        torch.set_num_threads(threads)
        # As a part of the configuration it is a part of the key of the compiler's cache.
        torch._inductor.config.cpp.threads = threads


def check_program(case: LossCase, program: Program, batch: Batch) -> Deviation | None:
    """Ours; None of bf16, which its files do not have, and where nothing could write them."""
    if case.dtype != "f32" or importlib.util.find_spec("numpy") is None:
        return None
    # Enough rows: what goes through files should not take longer than the measurement.
    rows = slice(max(CHECKED_ELEMENTS // case.classes, 1))
    some = Batch(batch.student[rows], batch.teacher[rows], batch.labels[rows])
    truth = eager(case.preset)(some.copy(torch.float64))
    return deviation(program.loss(case.preset, some), truth)
