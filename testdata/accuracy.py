"""Prints the errors of PyTorch's float32 kernels relative to float64, on the data of
internal/cpu/accuracy_test.go, which lists these figures next to its own. It needs torch; the
figures in the repository are from version 1.13.0."""

import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.dont_write_bytecode = True

from oracle.made import data

torch.set_num_threads(1)
ROWS, COLS = 64, 500


def tensor(seed, shape, mean=0.0, deviation=1.0):
    return torch.from_numpy(data(seed, int(np.prod(shape)), mean, deviation).reshape(shape))


def rms_norm(x, gamma):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * gamma


def batch_norm(x, gamma, beta):
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5)


def report(name, f, inputs, dy):
    """Prints the largest errors of f's output and gradients, divided by their largest values."""

    def run(dtype):
        leaves = [t.to(dtype).requires_grad_() for t in inputs]
        y = f(*leaves)
        return [y, *torch.autograd.grad(y, leaves, dy.to(dtype))]

    errors = [
        ((got.double() - want).abs().max() / want.abs().max()).item()
        for got, want in zip(run(torch.float32), run(torch.float64))
    ]
    print(f'{name:20}', ' '.join(f'{e:.2e}' for e in errors))


def tail(low, high, dtype):
    """Returns the largest relative error of the exact GELU, compared with x·erfc(−x/√2)/2."""
    x = torch.linspace(low, high, 10001, dtype=torch.float64).to(dtype)
    want = x.double() * torch.special.erfc(-x.double() / 2**0.5) / 2
    return (F.gelu(x).double() / want - 1).abs().max().item()


def main():
    dy = tensor(2, (ROWS, COLS))
    gamma, beta = tensor(3, (COLS,)), tensor(4, (COLS,))
    for mean in 0, 1e4, 1e6:
        x = tensor(1, (ROWS, COLS), mean)
        report(f'LayerNorm {mean:g}', lambda x, g, b: F.layer_norm(x, (COLS,), g, b, 1e-5), [x, gamma, beta], dy)
        report(f'RMSNorm {mean:g}', rms_norm, [x, gamma], dy)
        report(f'BatchNorm {mean:g}', batch_norm, [x, gamma, beta], dy)
    alpha, shift = torch.tensor([0.5]), torch.tensor([0.25])
    for deviation in 1, 1e-3, 10:
        x = tensor(1, (ROWS, COLS), 0, deviation)
        report(f'DyT x {deviation:g}', lambda x, g, b, a: torch.tanh(a * x) * g + b, [x, gamma, beta, alpha], dy)
        report(f'Derf x {deviation:g}', lambda x, g, b, a, s: torch.erf(a * x + s) * g + b,
               [x, gamma, beta, alpha, shift], dy)
    x = tensor(1, (ROWS, COLS), 0, 3)
    report('GELU', lambda x: F.gelu(x, approximate='tanh'), [x], dy)
    report('GELU exact', F.gelu, [x], dy)
    for low, high in (-4, -3), (-5, -4), (-6, -5), (-8, -6):
        tails = [tail(low, high, dtype) for dtype in (torch.float32, torch.float64)]
        print(f'GELU exact, tail {low}…{high}', ' '.join(f'{t:.2e}' for t in tails))
    targets = torch.arange(ROWS) * 7 % COLS
    report('CrossEntropy', lambda x: F.cross_entropy(x, targets), [x], torch.tensor(1.0))


if __name__ == '__main__':
    main()
