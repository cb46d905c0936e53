"""Helpers for all cases: seeded random tensors, runs and their JSON."""

import json
import pathlib
import zlib
from functools import partial

import numpy as np
import torch

FILES = []  # functions that generate files, in the order of their definition


def makes_files(make):
    """Marks a function that golden.py calls: NAME generates NAME.json."""
    FILES.append(make)
    return make


TESTDATA = pathlib.Path(__file__).resolve().parent.parent


class Random:
    """Generates random tensors of one dtype, seeded by the name of a case."""

    def __init__(self, seed, dtype=torch.float64):
        self.gen = torch.Generator().manual_seed(zlib.crc32(seed.encode()))
        self.dtype = dtype

    def normal(self, shape, mean=0.5, std=1.5, decimals=2):
        r = torch.randn(shape, generator=self.gen, dtype=torch.float64)
        return (r * std + mean).round(decimals=decimals).to(self.dtype)

    def gamma(self, *shape):
        return self.normal(shape, 1, 0.3, 3)

    def beta(self, *shape):
        return self.normal(shape, 0, 0.3, 3)

    def ints(self, shape, high):
        return torch.randint(high, shape, generator=self.gen)


def each_dtype(kind, shape, *notes):
    """Yields, for each dtype, a Random and the first fields of the case."""
    name = "-".join(["x".join(map(str, shape)), *notes])
    for dtype in [torch.float64, torch.float32]:
        dt = str(dtype).removeprefix("torch.")
        yield Random(f"{kind} {name}", dtype), {"name": f"{name}-{dt}", "dtype": dt}


def tensor(t):
    """Returns the JSON form of a tensor or of None."""
    if t is None:
        return None
    data = t.detach().reshape(-1).tolist()
    if t.dtype == torch.float32:
        data = [float(str(np.float32(v))) for v in data]
    return {"shape": list(t.shape), "data": data}


def number(t):
    """Returns the JSON form of a tensor with one number."""
    return tensor(t)["data"][0]


def leaf(t):
    """Returns a copy of t that collects a gradient; None stays None."""
    return None if t is None else t.clone().requires_grad_()


def write(file, key, items, **head):
    """Writes {head..., key: items} with each item on its own line."""
    dump = partial(json.dumps, separators=(",", ":"), allow_nan=False)
    fields = "".join(f"{dump(k)}:{dump(v)},\n" for k, v in head.items())
    lines = ",\n".join(map(dump, items))
    (TESTDATA / file).write_text(f"{{{fields}{dump(key)}:[\n{lines}\n]}}\n")


def run(fn, dy, **inputs):
    """Returns the inputs, dy, y = fn(*inputs) and the gradients of the inputs."""
    inputs = {name: leaf(t) for name, t in inputs.items()}
    y = fn(*inputs.values())
    y.backward(dy)
    grads = {"d" + name: t if t is None else t.grad for name, t in inputs.items()}
    return {name: tensor(t) for name, t in {**inputs, "dy": dy, "y": y, **grads}.items()}


def affine(rnd, params, *shape):
    """Returns a random weight and bias. params is "both", "nobias" or "noaffine"."""
    weight = None if params == "noaffine" else rnd.gamma(*shape)
    bias = rnd.beta(*shape) if params == "both" else None
    return {"weight": weight, "bias": bias}


def along(axis, x, fn):
    """Returns fn(x), where fn expects the channels on axis 1 and x has them on another."""
    return fn(x.movedim(axis, 1)).movedim(1, axis)
