"""The loss as PyTorch's users write it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

TAU, LAMBDA_KD, LAMBDA_CE, ETA = 4.0, 0.9, 0.1, 0.8


@dataclass
class Batch:
    """Logits of student and teacher `[B, V]`, and labels `[B]`."""

    student: torch.Tensor
    teacher: torch.Tensor
    labels: torch.Tensor

    def copy(self, dtype: torch.dtype | None = None) -> Batch:
        dtype = dtype or self.student.dtype
        tensors = [x.detach().to(dtype, copy=True) for x in (self.student, self.teacher)]
        return Batch(tensors[0].requires_grad_(), tensors[1], self.labels)


# Loss and gradient of a batch.
Step = Callable[[Batch], tuple[torch.Tensor, torch.Tensor]]


def wide(x: torch.Tensor) -> torch.dtype:
    """Softmaxes are computed in single precision also for bf16: in bf16 the gradient is wrong."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def log_softmax(x: torch.Tensor) -> torch.Tensor:
    return F.log_softmax(x, dim=1, dtype=wide(x))


def tempered(x: torch.Tensor, tau: float) -> torch.Tensor:
    # τ is a power of two, so that this is exact in bf16 too, and cheaper than to widen first.
    return x if tau == 1.0 else x / tau


def soft_targets(teacher: torch.Tensor, tau: float) -> torch.Tensor:
    return F.softmax(tempered(teacher, tau), dim=1, dtype=wide(teacher))


def revised_targets(teacher: torch.Tensor, labels: torch.Tensor, tau: float) -> torch.Tensor:
    """p' = β p + (1−β) e_y, β = η / (p_max − p_y + 1), in rows whose label is not a maximum."""
    at_label = labels.unsqueeze(1)
    p = soft_targets(teacher, tau)
    wrong = teacher.gather(1, at_label) < teacher.amax(dim=1, keepdim=True)
    beta = ETA / (p.amax(dim=1, keepdim=True) - p.gather(1, at_label) + 1)
    beta = torch.where(wrong, beta, 1.0)
    return (p * beta).scatter_add_(1, at_label, 1 - beta)


def cross_entropy(student: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.nll_loss(log_softmax(student), labels)


def loss_of(preset: str) -> Callable[..., torch.Tensor]:
    """The mean loss as a function of student, teacher and labels, as one would write it."""

    def divergence(student, targets, tau):
        log_q = log_softmax(tempered(student, tau))
        return tau**2 * F.kl_div(log_q, targets, reduction="batchmean")

    def lr(student, teacher, labels):
        with torch.no_grad():
            targets = revised_targets(teacher, labels, TAU)
        kd = divergence(student, targets, TAU)
        return LAMBDA_KD * kd + LAMBDA_CE * cross_entropy(student, labels)

    def kd(student, teacher, labels):
        targets = soft_targets(teacher, TAU)
        kd = divergence(student, targets, TAU)
        return LAMBDA_KD * kd + LAMBDA_CE * cross_entropy(student, labels)

    def kl(student, teacher, labels):
        return divergence(student, soft_targets(teacher, 1.0), 1.0)

    return {"lr": lr, "kd": kd, "kl": kl}[preset]


def differentiated(loss: Callable[..., torch.Tensor]) -> Step:
    """Loss and gradient. `autograd.grad` gives the gradient and adds it to nothing."""

    def step(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        total = loss(batch.student, batch.teacher, batch.labels)
        (gradient,) = torch.autograd.grad(total, batch.student)
        return total.detach(), gradient

    return step


def eager(preset: str) -> Step:
    return differentiated(loss_of(preset))


def compiled(preset: str) -> Step:
    return differentiated(torch.compile(loss_of(preset), dynamic=False))
