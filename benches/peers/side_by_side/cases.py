"""What is measured, and on which data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .losses import Batch
from .table import PRESETS

# Batches in an epoch of a training step, as in our program.
STEPS = 32
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class LossCase:
    preset: str
    rows: int
    classes: int
    dtype: str
    threads: int | None

    @property
    def subject(self) -> str:
        return self.preset

    @property
    def elements(self) -> int:
        return self.rows * self.classes

    @property
    def required_bytes(self) -> int:
        """Both logits read once and the gradient written once, and the labels."""
        return 3 * self.elements * DTYPES[self.dtype].itemsize + 8 * self.rows

    def __str__(self) -> str:
        return f"{self.preset} {self.rows}x{self.classes} {self.dtype}{threads_text(self.threads)}"

    def fields(self) -> dict[str, Any]:
        return {
            "what": "loss",
            "preset": self.preset,
            "b": self.rows,
            "v": self.classes,
            "dtype": self.dtype,
            "threads": self.threads,
            "bytes": self.required_bytes,
        }

    def arguments(self) -> list[str]:
        """What our program is told."""
        shape = f"{self.rows}x{self.classes}"
        threads = [] if self.threads is None else ["--threads", str(self.threads)]
        return ["--shape", shape, "--dtype", self.dtype, *PRESETS[self.preset], *threads]


@dataclass(frozen=True)
class StepCase:
    network: tuple[int, ...]
    rows: int
    threads: int | None
    subject = "training step"

    @property
    def name(self) -> str:
        return "-".join(map(str, self.network))

    def __str__(self) -> str:
        return f"step {self.name}{threads_text(self.threads)}"

    def fields(self) -> dict[str, Any]:
        return {
            "what": "step",
            "network": self.name,
            "batch": self.rows,
            "threads": self.threads,
        }

    def arguments(self) -> list[str]:
        """What our program is told; its step runs on one thread."""
        return ["--what", "step", "--network", self.name, "--batch", str(self.rows)]


Case = LossCase | StepCase


def threads_text(threads: int | None) -> str:
    return "" if threads is None else f", {threads} thread{'s' if threads > 1 else ''}"


def teacher_of(labels: torch.Tensor, classes: int, generator: torch.Generator) -> torch.Tensor:
    """Logits of a teacher that is right in four rows of five."""
    rows, device = len(labels), labels.device
    logits = 3 * torch.randn(rows, classes, generator=generator, device=device)
    right = (torch.rand(rows, generator=generator, device=device) < 0.8).nonzero().squeeze(1)
    logits[right, labels[right]] = logits[right].amax(dim=1) + 1
    return logits


def batch_of(case: LossCase, device: str) -> Batch:
    generator = torch.Generator(device).manual_seed(1)
    shape, dtype = (case.rows, case.classes), DTYPES[case.dtype]
    labels = torch.randint(case.classes, (case.rows,), generator=generator, device=device)
    student = 3 * torch.randn(shape, generator=generator, device=device)
    teacher = teacher_of(labels, case.classes, generator)
    return Batch(student.to(dtype).requires_grad_(), teacher.to(dtype), labels)


@dataclass
class Samples:
    """Features, the teacher's logits and labels of an epoch, and an order in batches."""

    features: torch.Tensor
    teacher: torch.Tensor
    labels: torch.Tensor
    batches: tuple[torch.Tensor, ...]

    def to(self, dtype: torch.dtype) -> Samples:
        return Samples(self.features.to(dtype), self.teacher.to(dtype), self.labels, self.batches)


def samples_of(case: StepCase, device: str) -> Samples:
    generator = torch.Generator(device).manual_seed(1)
    rows, width, classes = case.rows * STEPS, case.network[0], case.network[-1]
    features = torch.randn(rows, width, generator=generator, device=device)
    labels = torch.randint(classes, (rows,), generator=generator, device=device)
    order = torch.randperm(rows, generator=generator, device=device)
    teacher = teacher_of(labels, classes, generator)
    return Samples(features, teacher, labels, order.split(case.rows))
