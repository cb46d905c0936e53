"""Numbers that any language makes: of them weights that need no file."""

import math
import zlib

import numpy as np

FACTOR, TERM = np.uint64(6364136223846793005), np.uint64(1442695040888963407)


def data(seed, n, mean, deviation, dtype=np.float32):
    """n numbers of that mean and deviation, sums of four uniform ones: the top 24 bits
    of states s ← s·FACTOR + TERM (mod 2^64), which begin at the seed. They are those of
    Made in internal/golden."""
    powers = np.multiply.accumulate(np.full(4 * n, FACTOR))  # FACTOR^k, k from 1
    sums = np.add.accumulate(np.concatenate([np.ones(1, np.uint64), powers[:-1]]))  # Σ_j<k FACTOR^j
    states = powers * np.uint64(seed) + sums * TERM
    total = ((states >> np.uint64(40)) / 2**24 - 0.5).reshape(n, 4).sum(1)  # exact in any order
    return (mean + deviation * total * 3**0.5).astype(dtype)


def entry(name, shape):
    """The entry of a model's state of that name and shape, by a formula that
    models/transformer/golden_load_test.go has too. Each has the name's CRC-32 as its
    seed, matrices leave the size of what they multiply as it is, and variances are
    above 0."""
    if not shape:  # a count
        return np.array(7)
    if len(shape) == 2:
        mean, deviation = 0, 0.2 if name.startswith("transformer.w") else 1 / math.sqrt(shape[1])
    else:
        mean, deviation = 1 if name.endswith(("weight", "alpha", "running_var")) else 0, 0.2
    return data(zlib.crc32(name.encode()), math.prod(shape), mean, deviation, np.float64).reshape(shape)
