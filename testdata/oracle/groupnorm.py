"""GroupNorm and InstanceNorm: statistics within each sample."""

import torch
import torch.nn.functional as F

from .case import affine, along, each_dtype, makes_files, run, tensor, write


@makes_files
def groupnorm():
    """Fields: groups, eps, axis (of the channels), weight and bias (null if none)."""
    # No groups of one number: their x̂ is 0, but PyTorch's is a rounding error.
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


@makes_files
def instancenorm():
    """Fields: as for groupnorm, without groups."""
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


@makes_files
def instancenorm_tracking():
    """Fields: momentum, weight, bias, three training steps, each with the running statistics after
    it, eval, and unbatched, which is true if x has no axis of samples."""
    variants = [
        # shape, axis, momentum, affine, batched
        ((3, 4, 5), 1, 0.1, "both", True),
        ((2, 3, 4, 3), 1, 0.3, "both", True),
        ((3, 5, 4), -1, 0.1, "nobias", True),
        ((4, 5), 0, 0.1, "both", False),
        ((6, 3), -1, 1.0, "noaffine", False),
    ]
    cases = []
    for shape, axis, momentum, params, batched in variants:
        notes = [f"axis{axis}", params, *([] if batched else ["unbatched"])]
        for rnd, head in each_dtype("instancenorm_tracking", shape, *notes):
            n = shape[axis]
            learnables = affine(rnd, params, n)
            mean, var = torch.zeros(n, dtype=rnd.dtype), torch.ones(n, dtype=rnd.dtype)

            def step(training):
                def norm(x):  # training updates mean and var in place
                    return F.instance_norm(x, mean, var, weight, bias, training, momentum, 1e-5)

                def fn(x, w, b):
                    nonlocal weight, bias
                    weight, bias = w, b
                    if batched:
                        return along(axis, x, norm)
                    return norm(x.movedim(axis, 0)[None])[0].movedim(0, axis)

                weight = bias = None
                out = run(fn, rnd.normal(shape), x=rnd.normal(shape), **learnables)
                return {name: out[name] for name in ["x", "dy", "y", "dx", "dweight", "dbias"]}

            steps = [{**step(True), "running_mean": tensor(mean), "running_var": tensor(var)} for _ in range(3)]
            cases.append({**head, "axis": axis, "momentum": momentum, "unbatched": not batched,
                          **{name: tensor(t) for name, t in learnables.items()}, "steps": steps, "eval": step(False)})
    write("instancenorm_tracking.json", "cases", cases)
