"""GroupNorm and InstanceNorm: statistics of each sample's own channels."""

import torch.nn.functional as F

from .case import affine, along, each_dtype, run, write


def groupnorm():
    """Fields: groups, eps, axis (of the channels), weight and bias (null where none)."""
    # No group of one number: x̂ is 0 there, and PyTorch's what its rounding leaves.
    variants = [
        # shape, axis, groups, eps, affine
        ((4, 6), 1, 1, 1e-5, "both"),
        ((4, 6), 1, 2, 1e-5, "both"),
        ((4, 9), 1, 3, 1e-2, "both"),
        ((3, 4, 5), 1, 1, 1e-5, "both"),
        ((3, 4, 5), 1, 2, 1e-3, "both"),
        ((3, 4, 5), 1, 4, 1e-5, "both"),
        ((2, 4, 3, 2), 1, 1, 1e-5, "both"),
        ((2, 4, 3, 2), 1, 2, 1e-5, "both"),
        ((2, 4, 3, 2), 1, 4, 1e-3, "both"),
        ((2, 6, 5), 1, 3, 1e-5, "nobias"),
        ((2, 6, 5), 1, 3, 1e-5, "noaffine"),
        ((2, 4, 3, 2), 1, 2, 1e-3, "noaffine"),
        ((3, 5, 4), -1, 2, 1e-5, "both"),
        ((2, 3, 2, 4), -1, 1, 1e-5, "both"),
        ((2, 3, 2, 4), -1, 2, 1e-5, "both"),
        ((2, 3, 2, 4), -1, 4, 1e-3, "both"),
        ((2, 3, 2, 4), -1, 2, 1e-3, "noaffine"),
    ]
    cases = []
    for shape, axis, groups, eps, params in variants:
        notes = [f"axis{axis}", f"groups{groups}", params]
        for rnd, head in each_dtype("groupnorm", shape, *notes):
            def fn(x, w, b):
                return along(axis, x, lambda x: F.group_norm(x, groups, w, b, eps))

            out = run(fn, rnd.normal(shape), x=rnd.normal(shape), **affine(rnd, params, shape[axis]))
            cases.append({**head, "groups": groups, "eps": eps, "axis": axis, **out})
    write("groupnorm.json", "cases", cases)


def instancenorm():
    """Fields: as of groupnorm, without groups."""
    variants = [
        # shape, axis, eps, affine
        ((3, 4, 5), 1, 1e-5, "both"),
        ((2, 3, 4, 3), 1, 1e-5, "both"),
        ((2, 3, 4, 3), 1, 1e-2, "both", "eps"),
        ((3, 4, 5), 1, 1e-5, "nobias"),
        ((3, 4, 5), 1, 1e-5, "noaffine"),
        ((2, 3, 4, 3), 1, 1e-3, "noaffine"),
        ((3, 5, 4), -1, 1e-5, "both"),
        ((2, 4, 3, 3), -1, 1e-5, "both"),
        ((2, 4, 3, 3), -1, 1e-3, "noaffine"),
    ]
    cases = []
    for shape, axis, eps, params, *notes in variants:
        for rnd, head in each_dtype("instancenorm", shape, f"axis{axis}", params, *notes):
            def fn(x, w, b):
                return along(axis, x, lambda x: F.instance_norm(
                    x, weight=w, bias=b, use_input_stats=True, eps=eps))

            out = run(fn, rnd.normal(shape), x=rnd.normal(shape), **affine(rnd, params, shape[axis]))
            cases.append({**head, "eps": eps, "axis": axis, **out})
    write("instancenorm.json", "cases", cases)
