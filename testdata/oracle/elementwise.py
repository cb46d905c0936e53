"""Replacements for norms that need no statistics: DyT (arXiv 2503.10622) and Derf (arXiv
2512.10938)."""

import torch

from .case import affine, each_dtype, makes_files, run, write


def scaled(curve, weight, bias):
    """Returns weight*curve + bias. Weight and bias may be None."""
    y = curve if weight is None else weight * curve
    return y if bias is None else y + bias


VARIANTS = [
    # shape, affine, mean of alpha, (std, decimals) of x
    ((5, 7), "both", 0.5, (1.5, 2)),
    ((2, 3, 4), "both", -0.7, (1.5, 2), "negative"),
    ((4, 6), "both", 0.5, (30, 1), "saturated"),
    ((4, 6), "nobias", 0.5, (1e-4, 6), "tiny"),
    ((5, 7), "nobias", 0.8, (1.5, 2)),
    ((5, 7), "noaffine", 0.8, (1.5, 2)),
]


def cases(kind, fn, scalars):
    """Yields cases. Fields: x, weight and bias (null if none), and fn's scalars, of shape (1)."""
    for shape, params, alpha, (std, decimals), *notes in VARIANTS:
        for rnd, head in each_dtype(kind, shape, params, *notes):
            given = {"alpha": rnd.normal((1,), alpha, 0.1, 3), "shift": rnd.normal((1,), 0, min(0.3, std), 6)}
            given = {name: given[name] for name in scalars}
            out = run(fn, rnd.normal(shape), x=rnd.normal(shape, 0, std, decimals),
                      **given, **affine(rnd, params, shape[-1]))
            yield {**head, **out}


@makes_files
def dyt():
    write("dyt.json", "cases", cases("dyt", lambda x, alpha, weight, bias: scaled(
        torch.tanh(alpha * x), weight, bias), ["alpha"]))


@makes_files
def derf():
    write("derf.json", "cases", cases("derf", lambda x, alpha, shift, weight, bias: scaled(
        torch.erf(alpha * x + shift), weight, bias), ["alpha", "shift"]))
