"""Makes the golden values that the tests of gorgonorm compare against.

Writes the JSON files beside this script. The package oracle/ makes their cases: a
function NAME that it marks with makes_files makes NAME.json, and checkpoints makes those
of checkpoints/ too. The committed files were made with PyTorch 1.13.1 (Debian
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

from oracle import (batchnorm, batchnorm_options, checkpoints, elementwise, groupnorm, masked, norms, rownorms,
                    second, training, transformer)
from oracle.case import FILES

if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for make in FILES:
        make()
