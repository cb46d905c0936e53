"""BatchNorm."""

import torch
import torch.nn.functional as F

from .case import each_dtype, makes_files, run, tensor, write


def batchnorm_case(rnd, shape, eps, momentum, has_bias):
    n = shape[-1]
    weight, bias = rnd.gamma(n), rnd.beta(n) if has_bias else None
    mean, var = torch.zeros(n, dtype=rnd.dtype), torch.ones(n, dtype=rnd.dtype)

    def running():
        return {"running_mean": tensor(mean), "running_var": tensor(var)}

    def step(shape, training):
        def fn(x, w, b):  # training updates mean and var in place
            y = F.batch_norm(x.reshape(-1, n), mean, var, w, b, training, momentum, eps)
            return y.reshape(shape)

        out = run(fn, rnd.normal(shape), x=rnd.normal(shape), weight=weight, bias=bias)
        return {name: out[name] for name in ["x", "dy", "y", "dx", "dweight", "dbias"]}

    return {"eps": eps, "momentum": momentum, "weight": tensor(weight), "bias": tensor(bias),
            **running(), "steps": [{**step(shape, True), **running()} for _ in range(3)],
            "eval": step((5, *shape[1:]), False)}


@makes_files
def batchnorm():
    variants = [(s, 1e-5, 0.1, True) for s in [(8, 5), (3, 4, 6), (33, 17), (3, 3)]] + [
        ((8, 5), 1e-3, 0.3, True, "momentum"),
        ((8, 5), 1e-5, 0.1, False, "nobias"),
    ]
    cases = [{**head, **batchnorm_case(rnd, shape, eps, momentum, has_bias)}
             for shape, eps, momentum, has_bias, *notes in variants
             for rnd, head in each_dtype("batchnorm", shape, *notes)]
    write("batchnorm.json", "cases", cases)
