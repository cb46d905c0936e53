"""Generates the golden values with which gorgonorm's tests compare.

Writes the JSON files in this directory. The package oracle/ generates their cases: a function
NAME that is marked with makes_files generates NAME.json, and checkpoints also generates the files
in checkpoints/. The committed files are from PyTorch 1.13.1 (Debian package 1.13.1+dfsg-4, which
reports its version as 1.13.0a0) on the CPU. To regenerate them (Debian: apt install python3-torch):

    python3 testdata/golden.py

Each case has its own fixed seed, so a second run writes the same bytes. Another version of
PyTorch, or another CPU, may change the last digits.

A tensor is {"shape": [...], "data": [row-major numbers]}, or null if a case has none. Numbers are
the shortest decimals that read back as the same value of the case's dtype. Random inputs are
rounded to a few decimals, which keeps the files small, and are the same for both dtypes of a case.
Features are the last axis unless a case specifies another. Every gradient is from autograd, with
a random upstream gradient dy.
"""

import sys

import torch

sys.dont_write_bytecode = True  # leave no __pycache__ in oracle/

from oracle import (batchnorm, batchnorm_options, checkpoints, elementwise, groupnorm, masked, norms, rownorms,
                    second, training, transformer)
from oracle.case import FILES

if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for make in FILES:
        make()
