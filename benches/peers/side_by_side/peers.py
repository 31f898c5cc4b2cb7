"""Who is measured beside our program: PyTorch, and fused kernels of others."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .losses import (
    LAMBDA_CE,
    LAMBDA_KD,
    TAU,
    Batch,
    Step,
    compiled,
    cross_entropy,
    differentiated,
    eager,
    log_softmax,
    soft_targets,
    tempered,
)
from .table import PRESETS

# Kernels of others are given what they ask for, and what they lack for the preset (softmax,
# temperature, cross-entropy) is added around them in eager PyTorch: that is what their user has
# to do.


def completed(preset: str, divergence: Callable[..., torch.Tensor]) -> Step:
    """The preset around a mean KL that takes tempered logits."""

    def loss(student, teacher, labels):
        if preset == "kl":
            return divergence(student, teacher)
        kd = TAU**2 * divergence(tempered(student, TAU), tempered(teacher, TAU))
        return LAMBDA_KD * kd + LAMBDA_CE * cross_entropy(student, labels)

    return differentiated(loss)


def liger_kl(preset: str) -> Step:
    module = importlib.import_module("liger_kernel.transformers")
    function = module.LigerKLDIVLoss(reduction="batchmean")
    return completed(preset, lambda s, t: function(log_softmax(s), soft_targets(t, 1.0)))


def liger_jsd(preset: str) -> Step:
    # At β = 0 this is KL(p‖q).
    function = importlib.import_module("liger_kernel.transformers").LigerJSD(beta=0.0)
    return completed(preset, lambda s, t: function(log_softmax(s), log_softmax(t)))


def speculators_kl(preset: str) -> Step:
    function = importlib.import_module("speculators.losses.fused").fused_kl_div_loss
    return completed(preset, lambda s, t: function(s.unsqueeze(0), t.unsqueeze(0)).mean())


def fla_kl(preset: str) -> Step:
    # The public function starts from hidden states and is mostly its two matrix products; the
    # kernel inside starts from logits, which the gradient replaces.
    module = importlib.import_module("fla.modules.fused_kl_div")

    def step(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        student = batch.student.detach()
        rows, classes = student.shape
        losses = torch.empty(rows, dtype=torch.float32, device=student.device)
        module.kl_div_kernel[(rows,)](
            logits=student,
            target_logits=batch.teacher,
            loss=losses,
            s_logits=student.stride(0),
            s_loss=losses.stride(0),
            reduction="batchmean",
            N=rows,
            V=classes,
            BV=min(module.MAX_FUSED_SIZE, 1 << (classes - 1).bit_length()),
            num_warps=module.STATIC_WARPS,
        )
        return losses.sum(), student

    return step


@dataclass(frozen=True)
class Peer:
    """A way to compute a preset."""

    name: str
    presets: tuple[str, ...]
    prepare: Callable[[str], Step]
    computes: str
    # Bytes per logit that its own kernels move, by the size of a logit; what PyTorch's operators
    # move around them is counted.
    own_bytes: Callable[[int], int] | None = lambda size: 0
    module: str = "torch"
    package: str = "torch"
    # Whether the gradient replaces the student's logits.
    in_place: bool = False
    # Whether the host waits for the GPU in a call, so that no CUDA graph can hold it.
    synchronises: bool = False

    @property
    def foreign(self) -> bool:
        return self.module != "torch"

    def is_there(self) -> bool:
        return importlib.util.find_spec(self.module) is not None


PEERS = (
    Peer("eager", tuple(PRESETS), eager, "the whole preset, operator by operator"),
    Peer(
        "compile",
        tuple(PRESETS),
        compiled,
        "the whole preset, fused by torch.compile as far as it goes",
        own_bytes=None,
    ),
    Peer(
        "liger-kl",
        ("kd", "kl"),
        liger_kl,
        "KL of log-probabilities and probabilities that PyTorch made, and its gradient by the "
        "log-probabilities; their gradient by logits, τ and CE are PyTorch's",
        own_bytes=lambda size: 4 * 4,  # reads both; reads the target, writes the gradient
        module="liger_kernel",
        package="liger-kernel",
        synchronises=True,  # to see whether the upstream gradient is 1
    ),
    Peer(
        "liger-jsd",
        ("kl",),
        liger_jsd,
        "JSD at β = 0, which is KL, of log-probabilities that PyTorch made",
        own_bytes=lambda size: 4 * 4,  # reads both, writes the terms and the gradient
        module="liger_kernel",
        package="liger-kernel",
        synchronises=True,  # to see whether the upstream gradient is 1
    ),
    Peer(
        "speculators-kl",
        ("kd", "kl"),
        speculators_kl,
        "KL of logits with its gradient at τ = 1; τ and CE are PyTorch's",
        own_bytes=lambda size: 7 * size,  # reads both twice; reads both, writes the gradient
        module="speculators",
        package="speculators",
    ),
    Peer(
        "fla-kl",
        ("kl",),
        fla_kl,
        "KL of logits with its gradient at τ = 1, in place: the kernel inside fused_kl_div_loss, "
        "which itself starts from hidden states",
        own_bytes=lambda size: 5 * size,  # reads both twice, writes the gradient
        module="fla",
        package="flash-linear-attention",
        in_place=True,
    ),
)


# Operators that touch one entry per row of their largest tensor.
INDEXED = ("gather", "scatter_add_", "nll_loss_forward", "nll_loss_backward")


class Traffic(TorchDispatchMode):
    """Adds up the bytes of everything that operators read and write, caches aside."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        results = function(*args, **(kwargs or {}))
        inputs, outputs = list(tensors_in((args, kwargs))), list(tensors_in(results))
        # A view moves nothing: its result lies where its argument does.
        places = {x.untyped_storage().data_ptr() for x in inputs}
        elsewhere = [x for x in outputs if x.untyped_storage().data_ptr() not in places]
        name = function.overloadpacket.__name__
        if name in INDEXED:
            largest = max(map(stored_bytes, inputs))
            self.bytes += sum(map(stored_bytes, inputs + elsewhere)) - largest
        elif function._schema.is_mutable or (elsewhere and "empty" not in name):
            self.bytes += sum(map(stored_bytes, inputs + outputs))
        return results


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)


def stored_bytes(x: torch.Tensor) -> int:
    # What was expanded is stored once.
    return min(x.numel() * x.element_size(), x.untyped_storage().nbytes())


def moved_per_element(peer: Peer, step: Step, batch: Batch) -> float | None:
    """Bytes per logit that a call reads and writes; of compiled code nobody can say."""
    if peer.own_bytes is None:
        return None
    with Traffic() as traffic:
        step(batch)
    around = traffic.bytes / batch.student.numel()
    return around + peer.own_bytes(batch.student.element_size())
