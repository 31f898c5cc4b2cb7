"""Whether contenders compute the same: like is compared with like."""

from __future__ import annotations

from dataclasses import dataclass

import torch

# Agreement with double precision: of the total relative to it, of the gradient relative to its
# largest entry. PyTorch sums in f32 in an order of its own; bf16 has 8 bits, and autograd adds the
# gradients of KD and CE in it.
TOTAL_TOLERANCE = 1e-4
GRADIENT_TOLERANCE = {"f32": 2e-5, "bf16": 2**-7}


@dataclass
class Deviation:
    """How far a result is from the one in double precision, relatively."""

    total: float
    gradient: float

    def is_within(self, dtype: str) -> bool:
        # Written so that NaN is not within.
        return self.total <= TOTAL_TOLERANCE and self.gradient <= GRADIENT_TOLERANCE[dtype]


def deviation(result: tuple[torch.Tensor, ...], truth: tuple[torch.Tensor, ...]) -> Deviation:
    total, gradient = (x.double().to(truth[0].device) for x in result)
    of_total = (total - truth[0]).abs() / truth[0].abs()
    of_gradient = (gradient - truth[1]).abs().amax() / truth[1].abs().amax()
    return Deviation(of_total.item(), of_gradient.item())


def parameters_deviation(found: torch.Tensor, truth: torch.Tensor) -> Deviation:
    """Of the parameters' norm, and of any of them by the largest."""
    norm = (found.norm() - truth.norm()).abs() / truth.norm()
    return Deviation(norm.item(), ((found - truth).abs().amax() / truth.abs().amax()).item())
