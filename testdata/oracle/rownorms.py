"""Norms of rows: LayerNorm and RMSNorm."""

import math

import torch
import torch.nn.functional as F

from .case import affine, each_dtype, makes_files, run, write

# Shapes for both layernorm and rmsnorm.
SHAPES = [(5, 7), (1, 16), (6, 1), (3, 4, 8), (33, 17)]


@makes_files
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


@makes_files
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


@makes_files
def layernorm_shape():
    """Fields: shape (of a row, the last dimensions), eps, weight and bias of that shape (null if
    none)."""
    variants = [
        # shape of x, of a row, eps, affine
        ((4, 3, 5), (3, 5), 1e-5, "both"),
        ((2, 3, 3, 4), (3, 4), 1e-3, "both"),
        ((3, 2, 3, 4), (2, 3, 4), 1e-5, "both"),
        ((4, 3, 5), (3, 5), 1e-5, "nobias"),
        ((4, 3, 5), (3, 5), 1e-5, "noaffine"),
        ((3, 2, 3, 4), (2, 3, 4), 1e-5, "nobias"),
        ((3, 2, 3, 4), (2, 3, 4), 1e-5, "noaffine"),
        ((5, 7), (7,), 1e-5, "noaffine"),
    ]
    cases = []
    for shape, row, eps, params in variants:
        for rnd, head in each_dtype("layernorm_shape", shape, f"{len(row)}dims", params):
            out = run(lambda x, w, b: F.layer_norm(x, row, w, b, eps), rnd.normal(shape),
                      x=rnd.normal(shape), **affine(rnd, params, *row))
            cases.append({**head, "shape": row, "eps": eps, **out})
    write("layernorm_shape.json", "cases", cases)


def rms_norm_options(x, weight, row, eps, zero_centred, partial):
    """Returns RMSNorm with its options, which PyTorch 1.13 lacks."""
    flat = x.flatten(-len(row))
    first = flat[..., :math.ceil(partial * flat.shape[-1])]  # pRMSNorm, arXiv 1910.07467
    y = (flat * torch.rsqrt(first.pow(2).mean(-1, keepdim=True) + eps)).view(x.shape)
    if weight is None:
        return y
    return y * (1 + weight) if zero_centred else y * weight


@makes_files
def rmsnorm_options():
    """Fields: shape (of a row, the last dimensions), eps, zero_centred (the gain is 1+weight), partial
    (the fraction of a row over which the mean square is taken), weight of that shape (null if
    none)."""
    variants = [
        # shape of x, of a row, eps, kind of weight, partial
        ((4, 3, 5), (3, 5), 1e-6, "gain", 1),
        ((4, 3, 5), (3, 5), 1e-6, "zero_centred", 1),
        ((4, 3, 5), (3, 5), 1e-6, "noaffine", 1),
        ((5, 7), (7,), 1e-6, "noaffine", 1),
        ((5, 7), (7,), 1e-6, "zero_centred", 1),
        ((5, 7), (7,), 1e-2, "gain", 0.25),  # the first 2
        ((5, 7), (7,), 1e-2, "gain", 0.5),  # the first 4
        ((2, 3, 8), (8,), 1e-2, "gain", 0.25),
        ((5, 7), (7,), 1e-2, "zero_centred", 0.5),
        ((5, 7), (7,), 1e-2, "noaffine", 0.5),
        ((4, 3, 5), (3, 5), 1e-2, "gain", 0.5),  # the first 8
    ]
    cases = []
    for shape, row, eps, kind, partial in variants:
        for rnd, head in each_dtype("rmsnorm_options", shape, f"{len(row)}dims", kind, f"p{partial}"):
            weight = {"gain": rnd.gamma, "zero_centred": rnd.beta, "noaffine": lambda *_: None}[kind](*row)
            zero_centred = kind == "zero_centred"
            out = run(lambda x, w: rms_norm_options(x, w, row, eps, zero_centred, partial),
                      rnd.normal(shape), x=rnd.normal(shape), weight=weight)
            cases.append({**head, "shape": row, "eps": eps, "zero_centred": zero_centred,
                          "partial": partial, **out})
    write("rmsnorm_options.json", "cases", cases)


def along_axes(axes, x, fn):
    """Returns fn(x), where fn expects the axes last, in their order, and x has them elsewhere."""
    last = [i - len(axes) for i in range(len(axes))]
    return fn(x.movedim(axes, last)).movedim(last, axes)


@makes_files
def rownorm_axes():
    """Fields: norm ("layer" or "rms"), axes (of a row, in its order), shape (their sizes), eps,
    zero_centred and partial as for rmsnorm_options, weight and bias of that shape (null if none)."""
    variants = [
        # shape of x, axes, norm, eps, kind of weight, partial
        ((2, 5, 3, 4), (1,), "layer", 1e-5, "both", 1),  # channels first
        ((2, 5, 3, 4), (-3,), "layer", 1e-3, "nobias", 1),
        ((2, 17, 18), (1,), "layer", 1e-5, "both", 1),
        ((6, 4), (0,), "layer", 1e-5, "both", 1),
        ((2, 3, 4, 5), (1, 2), "layer", 1e-5, "both", 1),
        ((2, 3, 4, 5), (1, 3), "layer", 1e-5, "both", 1),
        ((2, 3, 4, 5), (3, 1), "layer", 1e-5, "both", 1),
        ((2, 3, 4, 5), (-1, 0, -3), "layer", 1e-2, "noaffine", 1),
        ((4, 3), (1, 0), "layer", 1e-5, "both", 1),  # all of x, in another order
        ((2, 3, 4, 5), (2, 3), "layer", 1e-5, "both", 1),  # the last ones
        ((2, 5, 3, 4), (1,), "rms", 1e-6, "gain", 1),
        ((1, 18, 17), (1,), "rms", 1e-6, "gain", 1),
        ((2, 5, 3, 4), (1,), "rms", 1e-6, "zero_centred", 1),
        ((2, 5, 3, 4), (1,), "rms", 1e-2, "gain", 0.5),  # the first 3
        ((2, 3, 4, 5), (3, 1), "rms", 1e-2, "gain", 0.25),  # the first 4
        ((2, 3, 4, 5), (1, 3), "rms", 1e-2, "zero_centred", 0.5),
        ((2, 3, 4, 5), (2, 1), "rms", 1e-2, "noaffine", 1),
    ]
    cases = []
    for shape, axes, norm, eps, kind, partial in variants:
        row = [shape[a] for a in axes]
        for rnd, head in each_dtype("rownorm_axes", shape, f"axes{axes}", norm, kind, f"p{partial}"):
            if norm == "layer":
                given = affine(rnd, kind, *row)
            else:
                weight = {"gain": rnd.gamma, "zero_centred": rnd.beta, "noaffine": lambda *_: None}[kind](*row)
                given = {"weight": weight, "bias": None}

            def normalize(x, w, b):
                if norm == "layer":
                    return F.layer_norm(x, row, w, b, eps)
                return rms_norm_options(x, w, row, eps, kind == "zero_centred", partial)

            out = run(lambda x, w, b: along_axes(axes, x, lambda x: normalize(x, w, b)),
                      rnd.normal(shape), x=rnd.normal(shape), **given)
            cases.append({**head, "norm": norm, "axes": axes, "shape": row, "eps": eps,
                          "zero_centred": kind == "zero_centred", "partial": partial, **out})
    write("rownorm_axes.json", "cases", cases)
