"""BatchNorm with one option in each case. A case uses PyTorch's own module, or a wrapper that
implements an option that PyTorch lacks."""

import torch
from torch import nn
from torch.nn.utils.stateless import functional_call

from .case import affine, along, each_dtype, makes_files, run, tensor, write

EPS = 1e-5


class BatchNorm(nn.Module):
    """torch.nn.BatchNorm1d or 2d with the channels on any axis.

    The module holds the statistics and the mode. Weight and bias are arguments, so that run
    computes their gradients.
    """

    def __init__(self, shape, axis, **options):
        super().__init__()
        module = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
        self.bn, self.axis = module(shape[axis], eps=EPS, **options), axis

    def normalize(self, x, w, b):
        params = {"weight": w, "bias": b} if self.bn.affine else {}
        return along(self.axis, x, lambda x: functional_call(self.bn, params, x))

    def forward(self, x, w, b, mask):
        return self.normalize(x, w, b)

    def statistics(self):
        return self.bn.running_mean, self.bn.running_var


class Masked(BatchNorm):
    """Normalizes only the rows that count, with statistics over them; the others become 0."""

    def forward(self, x, w, b, mask):
        y, counts = torch.zeros_like(x), mask.bool()
        y[counts] = self.normalize(x[counts], w, b)
        return y


class Positions(BatchNorm):
    """For x (B,T,C): every position and channel has its own statistics over the batch."""

    def __init__(self, shape, axis, **options):
        B, T, C = shape
        super().__init__((B, T * C), axis, affine=False, **options)
        self.per_position = (T, C)

    def forward(self, x, w, b, mask):
        y = self.normalize(x.flatten(1), None, None).view(x.shape) * w
        return y if b is None else y + b

    def statistics(self):
        return tuple(t.view(self.per_position) for t in super().statistics())


class Biased(BatchNorm):
    """The running variance uses the batch's Σ(x−μ)²/N, as in Flax, instead of N−1."""

    def forward(self, x, w, b, mask):
        before, m = self.bn.running_var.clone(), self.bn.momentum
        y = self.normalize(x, w, b)
        if self.training:
            batch = x.detach().movedim(self.axis, -1).flatten(0, -2).var(0, unbiased=False)
            self.bn.running_var = (1 - m) * before + m * batch
        return y


class Frozen(BatchNorm):
    """Stays in evaluation mode during training."""

    def train(self, mode=True):
        return super().train(False)


def counted_rows(rnd, shape):
    """Returns 1 for the rows that count, at least 3 of them, and 0 for the others."""
    mask = rnd.ints(shape, 2)
    while mask.sum() < 3:
        mask = rnd.ints(shape, 2)
    return mask


def options_case(rnd, shape, axis, norm, params):
    kind = type(norm)
    n = shape[axis]
    given = affine(rnd, params, n)
    if kind is Frozen:  # as after earlier training
        norm.bn.running_mean, norm.bn.running_var = rnd.normal((n,)), rnd.normal((n,), 2, 0.4)
    norm.to(rnd.dtype)

    def running():
        mean, var = norm.statistics()
        return {"running_mean": tensor(mean), "running_var": tensor(var)}

    def step(shape):
        mask = counted_rows(rnd, shape[:-1]) if kind is Masked else None
        out = run(lambda x, w, b: norm(x, w, b, mask), rnd.normal(shape), x=rnd.normal(shape), **given)
        del out["weight"], out["bias"]  # they are fields of the case
        return {"mask": tensor(mask), **out}

    def training_step():
        out = step(shape)
        batches = norm.bn.num_batches_tracked
        return {**out, **running(), "num_batches_tracked": None if batches is None else int(batches)}

    case = {"eps": EPS, "momentum": norm.bn.momentum, "axis": axis,
            **{name: tensor(t) for name, t in given.items()}, **running()}
    norm.train()
    case["steps"] = [training_step() for _ in range(3)]
    norm.eval()
    return {**case, "eval": step((3, *shape[1:]))}


@makes_files
def batchnorm_options():
    """Fields: option, eps, momentum (null: cumulative average), axis, weight and bias (null if none),
    the running statistics before the first step (null if not tracked), steps with the statistics
    after each, and eval, which does not change them."""
    variants = [
        # option, shape, axis, kind, options of PyTorch's module
        ("axis", (2, 3, 2, 2), 1, BatchNorm, {}),
        ("axis", (3, 3, 4), 1, BatchNorm, {}),
        ("axis", (2, 2, 2, 3), -1, BatchNorm, {}),
        ("noaffine", (6, 3), -1, BatchNorm, {"affine": False}),
        ("noaffine", (3, 3, 4), 1, BatchNorm, {"affine": False}),
        ("cumulative", (6, 3), -1, BatchNorm, {"momentum": None}),
        ("cumulative", (3, 3, 4), 1, BatchNorm, {"momentum": None}),
        ("untracked", (6, 3), -1, BatchNorm, {"track_running_stats": False}),
        ("untracked", (3, 3, 4), 1, BatchNorm, {"track_running_stats": False}),
        ("frozen", (6, 3), -1, Frozen, {}),
        ("frozen", (2, 3, 2, 2), 1, Frozen, {}),
        ("momentum0", (6, 3), -1, BatchNorm, {"momentum": 0.0}),
        ("momentum1", (6, 3), -1, BatchNorm, {"momentum": 1.0}),
        ("mask", (8, 3), -1, Masked, {}),
        ("mask", (2, 5, 3), -1, Masked, {"momentum": 0.3}),
        ("positions", (5, 3, 2), -1, Positions, {}),
        ("positions", (4, 2, 3), -1, Positions, {"momentum": 0.3}),
        ("biased", (6, 3), -1, Biased, {}),
        ("biased", (3, 3, 4), 1, Biased, {"momentum": 0.3}),
    ]
    cases = []
    for option, shape, axis, kind, options in variants:
        params = "noaffine" if option == "noaffine" else "both"
        for rnd, head in each_dtype("batchnorm_options", shape, f"axis{axis}", option):
            norm = kind(shape, axis, **options)
            cases.append({**head, "option": option, **options_case(rnd, shape, axis, norm, params)})
    write("batchnorm_options.json", "cases", cases)
