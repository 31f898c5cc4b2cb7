"""How long a call takes."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .cases import LossCase

# A turn on the CPU takes at least so long, unless it has so many calls.
SECONDS, CALLS = 0.3, 5000
# Replays of a CUDA graph in a turn: each is many calls.
REPLAYS = 5


class CpuClock:
    """The time of single calls."""

    device = "cpu"

    def __init__(self, samples: int):
        self.samples = samples

    def copies(self, case: LossCase) -> int:
        """How many inputs the calls go through: here one, and the caches may hold what they can,
        as they may for ours."""
        return 1

    def median(self, calls: Sequence[Callable[[], Any]]) -> float:
        times: list[float] = []
        calls = itertools.cycle(calls)
        for _ in range(3):
            next(calls)()
        now = time.perf_counter()
        enough = now + SECONDS
        while len(times) < self.samples or (now < enough and len(times) < CALLS):
            call = next(calls)
            start = time.perf_counter()
            call()
            now = time.perf_counter()
            times.append(now - start)
        return statistics.median(times)

    def copy_buffers(self, case: LossCase) -> tuple[torch.Tensor, torch.Tensor]:
        """Source and destination, together as large as what the case moves."""
        floats = max(case.required_bytes // 8, 1)
        return torch.ones(floats), torch.zeros(floats)


class CudaClock:
    """The time between events around single calls, with the gaps in which the GPU waits for
    Python: that is what a call costs its user. A CUDA graph has no such gaps."""

    device = "cuda"

    def __init__(self, samples: int):
        self.samples = samples
        self.cache = torch.cuda.get_device_properties(0).L2_cache_size

    def copies(self, case: LossCase) -> int:
        """As many inputs as make twice the L2 cache, so that it never holds the next one."""
        return min(2 * self.cache // case.required_bytes + 2, 4096)

    def median(self, calls: Sequence[Callable[[], Any]], samples: int | None = None) -> float:
        calls = itertools.cycle(calls)
        for _ in range(3):
            next(calls)()
        torch.cuda.synchronize()
        pairs = []
        for _ in range(samples or self.samples):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            call = next(calls)
            start.record()
            call()
            end.record()
            pairs.append((start, end))
        torch.cuda.synchronize()
        return statistics.median(start.elapsed_time(end) / 1e3 for start, end in pairs)

    def copy_buffers(self, case: LossCase) -> tuple[torch.Tensor, torch.Tensor]:
        """Large ones: the limit is the memory, never the cache."""
        floats = 1 << 28
        return (torch.ones(floats, device="cuda"), torch.zeros(floats, device="cuda"))


Clock = CpuClock | CudaClock


def graphed(calls: Sequence[Callable[[], Any]]) -> Callable[[], None]:
    """All calls as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            calls[0]()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in calls:
            call()
    return graph.replay
