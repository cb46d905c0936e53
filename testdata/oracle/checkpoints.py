"""Logits and losses of models whose weights are loaded from files."""

from dataclasses import replace

import torch

from . import safetensors
from .case import Random, TESTDATA, makes_files, number, tensor, write
from .gpt import GPT, Config, Conv1D
from .made import entry
from .norms import NORMS
from .training import cross_entropy


def filled(config):
    """Returns the model with weights and statistics from the formula."""
    model = GPT(config).double().eval()
    with torch.no_grad():
        for name, t in model.state_dict().items():
            if name != "lm_head.weight":  # the same tensor as transformer.wte.weight
                t.copy_(torch.from_numpy(entry(name, t.shape)))
    return model


@makes_files
@torch.no_grad()
def nanogpt():
    """nanoGPT's small configuration with every norm. The weights are from oracle/made.py. Fields:
    logits in float32 at every fourth position, loss of all positions in float32, and loss64 in
    float64."""
    small = Config(vocab=65, context=64, layers=4, heads=4, channels=128, gelu="exact")
    rnd = Random("nanogpt")
    ids, targets = (rnd.ints((1, small.context), small.vocab) for _ in range(2))
    models = []
    for norm in NORMS:
        for bias in False, True:
            model = filled(replace(small, norm=norm, bias=bias))
            loss64 = cross_entropy(model(ids), targets)
            logits = model.float()(ids)
            models.append({"norm": norm, "bias": bias, "logits": tensor(logits[:, 3::4]),
                           "loss": number(cross_entropy(logits, targets)), "loss64": number(loss64)})
    write("nanogpt.json", "models", models, vocab=small.vocab, context=small.context, layers=small.layers,
          heads=small.heads, channels=small.channels, ids=tensor(ids), targets=tensor(targets))


def masks(tiny, prefix, dtype):
    """Returns the causal masks that were buffers of GPT-2."""
    mask = torch.ones(tiny.context, tiny.context).tril().to(dtype)
    return {f"{prefix}h.{i}.attn.bias": mask[None, None] for i in range(tiny.layers)}


@makes_files
@torch.no_grad()
def checkpoints():
    """Writes tiny files in the formats of nanoGPT and GPT-2 to checkpoints/. Fields: file, heads and
    gelu, which the files do not contain, ids, targets, and logits and loss of the file's weights in
    float64."""
    tiny = Config(vocab=11, context=6, layers=2, heads=2, channels=8, bias=True, gelu="exact")
    gpt2 = replace(tiny, gelu="tanh", linear=Conv1D)

    def compiled(model):
        """Returns the state of a compiled nanoGPT, by a version with masks."""
        state = {**model.state_dict(), **masks(tiny, "transformer.", torch.float32)}
        return {"_orig_mod." + name: t for name, t in state.items()}

    def bare(model):
        """Returns the state of the model without its head."""
        return {**model.transformer.state_dict(), **masks(tiny, "", torch.float32)}

    def whole(model):
        """Returns the state with the head and with the value that masked scores take."""
        masked = {f"transformer.h.{i}.attn.masked_bias": torch.tensor(-1e4).to(torch.bfloat16)
                  for i in range(tiny.layers)}
        return {**model.state_dict(), **masks(tiny, "transformer.", torch.uint8), **masked}

    cases = []
    for name, config, dtype, state in [
        ("nanogpt", tiny, torch.float32, compiled),
        ("gpt2_f16", gpt2, torch.float16, bare),
        ("gpt2_bf16", gpt2, torch.bfloat16, whole),
    ]:
        model = filled(config).to(dtype)
        file = f"checkpoints/{name}.safetensors"
        safetensors.write(TESTDATA / file, state(model), {"format": "pt"})
        model.double()
        rnd = Random(file)
        ids, targets = (rnd.ints((2, tiny.context), tiny.vocab) for _ in range(2))
        logits = model(ids)
        cases.append({"file": file, "heads": config.heads, "gelu": config.gelu,
                      "ids": tensor(ids), "targets": tensor(targets), "logits": tensor(logits),
                      "loss": number(cross_entropy(logits, targets))})
    write("checkpoints.json", "cases", cases)
