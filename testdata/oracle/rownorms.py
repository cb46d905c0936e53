"""Norms of each row: LayerNorm and RMSNorm."""

import torch
import torch.nn.functional as F

from .case import each_dtype, run, write

# Shapes that layernorm and rmsnorm share.
SHAPES = [(5, 7), (1, 16), (6, 1), (3, 4, 8), (33, 17)]


def layernorm():
    variants = [(shape, 1e-5, True, 0.5, 1.5) for shape in SHAPES] + [
        ((5, 7), 1e-5, False, 0.5, 1.5, "nobias"),
        ((5, 7), 1e-3, True, 0.5, 1.5, "eps"),
        ((4, 9), 1e-5, True, 1e3, 1, "mean1000"),
    ]
    cases = []
    for shape, eps, has_bias, mean, std, *notes in variants:
        n = shape[-1]
        for rnd, head in each_dtype("layernorm", shape, *notes):
            out = run(lambda x, w, b: F.layer_norm(x, (n,), w, b, eps), rnd.normal(shape),
                      x=rnd.normal(shape, mean, std), weight=rnd.gamma(n),
                      bias=rnd.beta(n) if has_bias else None)
            cases.append({**head, "eps": eps, **out})
    write("layernorm.json", "cases", cases)


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def rmsnorm():
    variants = [(shape, 1e-6) for shape in SHAPES] + [
        ((5, 7), 1e-2, "eps"),
        ((5, 7), None, "finfo"),  # None: the eps of the dtype
    ]
    cases = []
    for shape, variant_eps, *notes in variants:
        for rnd, head in each_dtype("rmsnorm", shape, *notes):
            eps = variant_eps or torch.finfo(rnd.dtype).eps
            out = run(lambda x, w: rms_norm(x, w, eps), rnd.normal(shape),
                      x=rnd.normal(shape), weight=rnd.gamma(shape[-1]))
            cases.append({**head, "eps": eps, **out})
    write("rmsnorm.json", "cases", cases)
