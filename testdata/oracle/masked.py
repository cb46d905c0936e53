"""Masked norms: each set of elements is normalized without its masked elements, which become 0.
PyTorch has no masked norms, so these functions apply its norms to the unmasked elements of each
set."""

import math

import torch
import torch.nn.functional as F

from .case import affine, each_dtype, makes_files, run, tensor, write


def normalize(v, first, centred, eps):
    """Normalizes a vector by its own statistics, or by the mean square of its first elements."""
    if centred:
        return F.layer_norm(v, v.shape, None, None, eps)
    return v * torch.rsqrt(v[first].pow(2).mean() + eps)


def masked_sets(x, counts, gain, bias, first, centred, eps):
    """Normalizes each set. All arguments have the shape (sets, elements), except first, which marks
    the elements that the statistics are over."""
    rows = []
    for v, c, w, b in zip(x, counts, gain, bias):
        y = torch.zeros_like(v)
        if (c & first).any():
            y = y.masked_scatter(c, normalize(v[c], first[c], centred, eps) * w[c] + b[c])
        rows.append(y)
    return torch.stack(rows)


def masked_norm(norm, x, counts, axes, groups, weight, bias, partial, eps):
    """Normalizes x with a mask. weight and bias have the shape of the axes, or are None."""
    samples = [0] if norm in ("GroupNorm", "InstanceNorm") else [a for a in range(x.dim()) if a not in axes]
    order = [*samples, *axes, *(a for a in range(x.dim()) if a not in samples and a not in axes)]
    sizes = [x.shape[a] for a in axes]
    size = math.prod(x.shape[a] for a in order[len(samples):]) // groups

    def sets(t):
        return t.permute(order).reshape(-1, size)

    def each(t, default):  # one element for each element of x
        t = torch.full(sizes, default, dtype=x.dtype) if t is None else t
        ordered = t.reshape([1] * len(samples) + sizes + [1] * (x.dim() - len(samples) - len(axes)))
        return ordered.expand([x.shape[a] for a in order]).reshape(-1, size)

    first = torch.arange(size) < math.ceil(partial * size)
    y = masked_sets(sets(x), sets(counts), each(weight, 1), each(bias, 0), first, norm != "RMSNorm", eps)
    back = [order.index(a) for a in range(x.dim())]
    return y.view([x.shape[a] for a in order]).permute(back)


def random_mask(rnd, shape):
    """Returns a mask that keeps two thirds of the elements, but few of the first sample."""
    mask = (rnd.ints(shape, 3) > 0).long()
    mask[0] *= (rnd.ints(shape[1:], 4) == 0).long()
    return mask


@makes_files
def masked():
    """Fields: norm, axes (of the features, counted from the front), shape (their sizes), groups, eps,
    zero_centred and partial as for rmsnorm_options, mask (with x's shape, or without the axes),
    weight and bias (null if none)."""
    variants = [
        # norm, shape of x, axes, groups, eps, kind of weight, partial, kind of mask
        ("LayerNorm", (5, 7), (1,), 1, 1e-2, "both", 1, "elements"),
        ("LayerNorm", (3, 2, 6), (2,), 1, 1e-3, "both", 1, "positions"),
        ("LayerNorm", (3, 4, 5), (1, 2), 1, 1e-5, "both", 1, "elements"),
        ("LayerNorm", (2, 5, 3, 2), (1,), 1, 1e-2, "both", 1, "elements"),
        ("LayerNorm", (2, 5, 3, 2), (3, 1), 1, 1e-2, "nobias", 1, "elements"),
        ("LayerNorm", (2, 5, 3, 2), (1,), 1, 1e-5, "noaffine", 1, "positions"),
        ("RMSNorm", (5, 7), (1,), 1, 1e-6, "gain", 1, "elements"),
        ("RMSNorm", (5, 7), (1,), 1, 1e-6, "zero_centred", 1, "elements"),
        ("RMSNorm", (5, 7), (1,), 1, 1e-2, "gain", 0.5, "elements"),
        ("RMSNorm", (2, 5, 3, 2), (1,), 1, 1e-2, "gain", 0.4, "elements"),
        ("RMSNorm", (2, 5, 3, 2), (1,), 1, 1e-2, "zero_centred", 0.4, "positions"),
        ("RMSNorm", (3, 4, 5), (2, 1), 1, 1e-2, "noaffine", 1, "elements"),
        ("GroupNorm", (3, 6), (1,), 2, 1e-2, "both", 1, "elements"),
        ("GroupNorm", (2, 4, 3, 2), (1,), 2, 1e-2, "both", 1, "elements"),
        ("GroupNorm", (2, 4, 3, 2), (1,), 2, 1e-3, "both", 1, "positions"),
        ("GroupNorm", (2, 3, 2, 4), (3,), 2, 1e-2, "nobias", 1, "elements"),
        ("GroupNorm", (2, 3, 4, 2), (2,), 1, 1e-5, "noaffine", 1, "positions"),
        ("InstanceNorm", (2, 3, 4, 3), (1,), 3, 1e-2, "both", 1, "elements"),
        ("InstanceNorm", (3, 5, 4), (2,), 4, 1e-1, "both", 1, "positions"),
        ("InstanceNorm", (2, 3, 4, 3), (1,), 3, 1e-2, "noaffine", 1, "elements"),
    ]
    cases = []
    for norm, shape, axes, groups, eps, kind, partial, what in variants:
        sizes = [shape[a] for a in axes]
        notes = [norm, f"axes{axes}", f"groups{groups}", kind, f"p{partial}", what]
        for rnd, head in each_dtype("masked", shape, *notes):
            given = {"gain": lambda: {"weight": rnd.gamma(*sizes), "bias": None},
                     "zero_centred": lambda: {"weight": rnd.beta(*sizes), "bias": None},
                     }.get(kind, lambda: affine(rnd, kind, *sizes))()
            others = [n for a, n in enumerate(shape) if what == "elements" or a not in axes]
            mask = random_mask(rnd, others)
            whole = [1 if what == "positions" and a in axes else n for a, n in enumerate(shape)]
            counts = mask.bool().view(whole).expand(shape)

            def fn(x, w, b):
                gain = 1 + w if kind == "zero_centred" else w
                return masked_norm(norm, x, counts, axes, groups, gain, b, partial, eps)

            out = run(fn, rnd.normal(shape), x=rnd.normal(shape), **given)
            cases.append({**head, "norm": norm, "axes": axes, "shape": sizes, "groups": groups, "eps": eps,
                          "zero_centred": kind == "zero_centred", "partial": partial,
                          "mask": tensor(mask), **out})
    write("masked.json", "cases", cases)
