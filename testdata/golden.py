"""Makes the golden values that the tests of gorgonorm compare against.

Writes the JSON files beside this script; the package oracle/ makes their cases,
and the list below says which function makes which file, or files: checkpoints makes
those of checkpoints/ too. The committed files were made with PyTorch 1.13.1 (Debian
package 1.13.1+dfsg-4, which calls itself 1.13.0a0) on the CPU. To remake them
(Debian: apt install python3-torch):

    python3 testdata/golden.py

Each case has its own fixed seed, so a second run writes the same bytes; another
version of PyTorch, or another CPU, may change the last digits.

A tensor is {"shape": [...], "data": [row-major numbers]}, and null where a case
has none. Numbers are the shortest decimals that read back as the same value of
the case's dtype. Random inputs are rounded to a few decimals to keep the files
small, and are the same for both dtypes of a case. Features are the last axis
where a case does not say another. Every gradient is from autograd, with a random
upstream gradient dy.
"""

import sys

import torch

sys.dont_write_bytecode = True  # oracle/ is read once: leave no __pycache__ there

from oracle import (batchnorm, batchnorm_options, checkpoints, elementwise, groupnorm, masked, rownorms, second,
                    training, transformer)

FILES = [  # each NAME.json is made by the function NAME
    rownorms.layernorm,
    rownorms.rmsnorm,
    rownorms.layernorm_shape,
    rownorms.rmsnorm_options,
    rownorms.rownorm_axes,
    batchnorm.batchnorm,
    batchnorm_options.batchnorm_options,
    groupnorm.groupnorm,
    groupnorm.instancenorm,
    groupnorm.instancenorm_tracking,
    masked.masked,
    elementwise.dyt,
    elementwise.derf,
    second.second,
    training.adamw,
    training.crossentropy,
    transformer.gelu,
    transformer.gelu_exact,
    transformer.attention,
    transformer.qknorm,
    transformer.transformer,
    transformer.placements,
    checkpoints.nanogpt,
    checkpoints.checkpoints,
]

if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for make in FILES:
        make()
