"""Every norm of a model as a torch.nn.Module, with the names of its parameters."""

import math

import torch
from torch import nn

from .case import each_dtype, makes_files, run, write
from .rownorms import SHAPES, rms_norm


class BatchNorm(nn.BatchNorm1d):
    """Normalizes each channel over batch and time; x is (B,T,C)."""

    def forward(self, x):
        return super().forward(x.flatten(0, -2)).view(x.shape)


class RMSNorm(nn.Module):
    """The torch.nn.RMSNorm of PyTorch 2.4."""

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


def scale_norm(x, weight, eps):
    """Returns g*sqrt(C)*x/|x| (arXiv 1910.05895), with eps inside the root as in the other norms."""
    size = x.shape[-1]
    y = math.sqrt(size) * x / torch.sqrt((x * x).sum(-1, keepdim=True) + size * eps)
    return y if weight is None else weight * y


class ScaleNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return scale_norm(x, self.weight, 1e-5)


@makes_files
def scalenorm():
    cases = []
    for shape, eps, *notes in [(shape, 1e-5) for shape in SHAPES] + [((5, 7), 1e-2, "eps")]:
        for rnd, head in each_dtype("scalenorm", shape, *notes):
            out = run(lambda x, w: scale_norm(x, w, eps), rnd.normal(shape),
                      x=rnd.normal(shape), weight=rnd.gamma(1))
            cases.append({**head, "eps": eps, **out})
    write("scalenorm.json", "cases", cases)


NORMS = {"none": lambda size: nn.Identity(), "batch": BatchNorm, "layer": nn.LayerNorm, "rms": RMSNorm,
         "dyt": DyT, "derf": Derf, "scale": ScaleNorm}


def qk_kind(kind):
    """Returns the norm of queries and keys in a model with this norm: one that normalizes rows."""
    return "rms" if kind in ("rms", "scale") else "layer"


def make_norm(kind, size, bias):
    norm = NORMS[kind](size)
    if not bias and hasattr(norm, "bias"):
        norm.register_parameter("bias", None)
    return norm
