"""Prints the logits that PyTorch computes with models that gorgonorm has saved.

    python3 testdata/read_model.py MODEL.safetensors... <ids.json

ids.json contains token ids, as a list of sequences of the same length. The script prints one line
for each model, a list of logits of shape (B, T, vocabulary). The model is a torch.nn.Module built
from the names, shapes and metadata in the file. The file must contain all its parameters and
buffers and nothing else.
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True

import torch

from oracle import safetensors
from oracle.gpt import GPT, Config


def config(tensors, metadata):
    vocab, channels = tensors["transformer.wte.weight"].shape
    context, _ = tensors["transformer.wpe.weight"].shape
    notes = {key.removeprefix("gorgonorm."): value for key, value in metadata.items()}
    return Config(vocab=vocab, context=context, channels=channels, heads=int(notes["n_head"]),
                  layers=sum(name.endswith("attn.c_attn.weight") for name in tensors),
                  norm=notes["norm"], placement=notes["placement"], gelu=notes["gelu"],
                  qk_norm="transformer.h.0.attn.q_norm.weight" in tensors,
                  bias="transformer.h.0.attn.c_attn.bias" in tensors)


def load(path):
    tensors, metadata = safetensors.read(pathlib.Path(path))
    model = GPT(config(tensors, metadata)).to(tensors["transformer.wte.weight"].dtype)
    model.load_state_dict(tensors)
    return model.eval()


if __name__ == "__main__":
    torch.set_num_threads(1)
    ids = torch.tensor(json.load(sys.stdin))
    with torch.no_grad():
        for path in sys.argv[1:]:
            print(json.dumps(load(path)(ids).tolist()))
