"""Prints the errors of PyTorch's norms on the hard rows of layers/numerics_test.go, which contains
the printed lines. Errors are relative to the formulas in numpy's longdouble: the largest error of
y, dx, dgamma and dbeta divided by the largest value, in float32 and in float64. It needs torch;
the figures in the repository are from version 1.13.0 on x86, where longdouble has 64 bits and
exponents up to 1e4932."""

import numpy as np
import torch
import torch.nn.functional as F

from accuracy import rms_norm
from oracle.made import data

torch.set_num_threads(1)
np.seterr(all='ignore')
SAMPLES, OUTER, GROUPS, SIZE = 4, 8, 4, 30
ROWS, COLS, N = SAMPLES * OUTER, GROUPS * SIZE, SAMPLES * OUTER * GROUPS * SIZE
EPS = 1e-5

# The axes of (samples, outer, groups, size) that are normalized over.
AXES = {'LayerNorm': (2, 3), 'RMSNorm': (2, 3), 'BatchNorm': (0, 1), 'GroupNorm': (1, 3),
        'GroupNorm of rows': (3,), 'InstanceNorm': (1,)}


def pytorch(norm, x, gamma, beta):
    if norm == 'LayerNorm':
        return F.layer_norm(x.reshape(ROWS, COLS), (COLS,), gamma, beta, EPS)
    if norm == 'RMSNorm':
        return rms_norm(x.reshape(ROWS, COLS), gamma)
    if norm == 'BatchNorm':
        return F.batch_norm(x.reshape(ROWS, COLS), None, None, gamma, beta, training=True, eps=EPS)
    if norm == 'GroupNorm of rows':
        return F.group_norm(x.reshape(ROWS, COLS), GROUPS, gamma, beta, EPS)
    x = x.reshape(SAMPLES, OUTER, COLS).transpose(1, 2)
    if norm == 'GroupNorm':
        return F.group_norm(x, GROUPS, gamma, beta, EPS).transpose(1, 2)
    return F.instance_norm(x, weight=gamma, bias=beta, eps=EPS).transpose(1, 2)


def formula(norm, x, gamma, beta, dy):
    """Returns y, dx, dgamma and dbeta."""
    x, gamma, beta, dy = (a.astype(np.longdouble) for a in (x, gamma, beta, dy))
    x, dy = x.reshape(SAMPLES, OUTER, GROUPS, SIZE), dy.reshape(SAMPLES, OUTER, GROUPS, SIZE)
    gamma, beta = gamma.reshape(GROUPS, SIZE), beta.reshape(GROUPS, SIZE)
    centred = norm != 'RMSNorm'

    def mean(a):
        return a.mean(AXES[norm], keepdims=True)

    d = x - mean(x) if centred else x
    rstd = 1 / np.sqrt(mean(d * d) + np.longdouble(EPS))
    xhat, g = d * rstd, dy * gamma
    dx = rstd * (g - (mean(g) if centred else 0) - xhat * mean(g * xhat))
    results = [xhat * gamma + (beta if centred else 0), dx, (dy * xhat).sum((0, 1))]
    return results + [dy.sum((0, 1))] if centred else results


def inputs(name, norm, dtype):
    beta = data(4, COLS, 0, 1, dtype)
    moments = {'mean 1e4': (1e4, 1), 'mean 1e6': (1e6, 1), '1e30': (0, 1e30), '1e200': (0, 1e200)}
    mean, deviation = moments.get(name, (0, 1))
    if name == 'denormal':
        deviation = 1e-40 if dtype == np.float32 else 1e-310
        beta[:] = 0
    x = data(1, N, mean, deviation, dtype)
    if name == 'zero':
        x[:] = 0
    if name == 'constant':  # another number for each set of elements that is normalized together
        x = x.reshape(SAMPLES, OUTER, GROUPS, SIZE)
        shape = [1 if axis in AXES[norm] else n for axis, n in enumerate(x.shape)]
        x = np.broadcast_to(data(5, int(np.prod(shape)), 1000, 1, dtype).reshape(shape), x.shape).copy()
    return x, data(3, COLS, 0, 1, dtype), beta, data(2, N, 0, 1, dtype)


def errors(name, norm, dtype):
    x, gamma, beta, dy = inputs(name, norm, dtype)
    leaves = [torch.from_numpy(a).requires_grad_() for a in ([x, gamma, beta] if norm != 'RMSNorm' else [x, gamma])]
    y = pytorch(norm, leaves[0], leaves[1], leaves[-1])
    got = [y, *torch.autograd.grad(y, leaves, torch.from_numpy(dy).reshape(y.shape))]
    out = []
    for g, want in zip(got, formula(norm, x, gamma, beta, dy)):
        largest = abs(want).max() or 1
        e = abs(g.detach().numpy().astype(np.longdouble).reshape(want.shape) - want).max() / largest
        out.append(f'{e:.1e}' if e < np.inf else 'lost')
    return '{' + ', '.join(out) + '}'


for name in 'mean 1e4', 'mean 1e6', 'constant', 'zero', 'denormal', '1e30', '1e200':
    for norm in AXES:
        f32 = 'nil' if name == '1e200' else errors(name, norm, np.float32)
        print(f'{{"{name}", "{norm}", [2][]float64{{{f32}, {errors(name, norm, np.float64)}}}}},')
