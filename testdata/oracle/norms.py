"""Every norm of a model as a torch.nn.Module, with the names of its parameters."""

import torch
from torch import nn

from .rownorms import rms_norm


class BatchNorm(nn.BatchNorm1d):
    """A channel over batch and time; x is (B,T,C)."""

    def forward(self, x):
        return super().forward(x.flatten(0, -2)).view(x.shape)


class RMSNorm(nn.Module):
    """torch.nn.RMSNorm of PyTorch 2.4."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return rms_norm(x, self.weight, torch.finfo(x.dtype).eps)


class DyT(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))
        self.alpha = nn.Parameter(torch.full((1,), 0.5))

    def curve(self, x):
        return torch.tanh(self.alpha * x)

    def forward(self, x):
        y = self.curve(x) * self.weight
        return y if self.bias is None else y + self.bias


class Derf(DyT):
    def __init__(self, size):
        super().__init__(size)
        self.shift = nn.Parameter(torch.zeros(1))

    def curve(self, x):
        return torch.erf(self.alpha * x + self.shift)


NORMS = {"none": lambda size: nn.Identity(), "batch": BatchNorm, "layer": nn.LayerNorm, "rms": RMSNorm,
         "dyt": DyT, "derf": Derf}


def qk_kind(kind):
    """The norm that queries and keys have in a model of that norm: one that normalizes rows."""
    return "rms" if kind == "rms" else "layer"


def make_norm(kind, size, bias):
    norm = NORMS[kind](size)
    if not bias and hasattr(norm, "bias"):
        norm.register_parameter("bias", None)
    return norm
