"""The training step of a small student network in PyTorch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from .cases import Samples, StepCase
from .losses import loss_of

RATE, MOMENTUM, DECAY = 1e-3, 0.9, 5e-4


class Trainer:
    """A student network with ReLU, the preset `lr`, and SGD with Nesterov's momentum.

    Weights decay and biases do not, as in our harness. The optimiser is the variant of PyTorch's
    that was fastest here: the fused one in eager mode, the compiled default one beside a compiled
    loss.
    """

    def __init__(self, network: Sequence[int], dtype: torch.dtype, device: str, compiled: bool):
        generator = torch.Generator().manual_seed(1)
        modules: list[torch.nn.Module] = []
        for inputs, outputs in itertools.pairwise(network):
            linear = torch.nn.Linear(inputs, outputs)
            torch.nn.init.normal_(linear.weight, std=(2 / inputs) ** 0.5, generator=generator)
            torch.nn.init.zeros_(linear.bias)
            modules += [linear, torch.nn.ReLU()]
        # Drawn on the CPU, so that every device starts from the same.
        self.model = torch.nn.Sequential(*modules[:-1]).to(device, dtype)
        parameters = list(self.model.parameters())
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": DECAY},
            {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0},
        ]
        fused = None if compiled else True
        self.optimiser = torch.optim.SGD(
            groups, lr=RATE, momentum=MOMENTUM, nesterov=True, fused=fused
        )
        self.preset = loss_of("lr")
        self.loss = torch.compile(self.forward, dynamic=False) if compiled else self.forward
        self.update = torch.compile(self.optimiser.step) if compiled else self.optimiser.step

    def forward(self, x: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.preset(self.model(x), teacher, labels)

    def step(self, samples: Samples, rows: torch.Tensor) -> None:
        tensors = (samples.features, samples.teacher, samples.labels)
        self.optimiser.zero_grad(set_to_none=True)
        self.loss(*(tensor.index_select(0, rows) for tensor in tensors)).backward()
        self.update()

    def parameters(self) -> torch.Tensor:
        return torch.cat([p.detach().double().flatten() for p in self.model.parameters()])


def trained(
    case: StepCase,
    samples: Samples,
    device: str,
    dtype: torch.dtype,
    compiled: bool,
) -> Trainer:
    """A network after ten steps."""
    samples = samples.to(dtype)
    trainer = Trainer(case.network, dtype, device, compiled)
    for rows in samples.batches[:10]:
        trainer.step(samples, rows)
    return trainer
