"""A GPT as a torch.nn.Module with nanoGPT's parameters and names, and any norm. With Conv1D as its
linear layers it has the parameters of GPT-2's own files."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .norms import make_norm, qk_kind
from .transformer import causal_attention, qk_norm


class Conv1D(nn.Module):
    """GPT-2's linear layer x·W + b with W of shape (in, out); nn.Linear has (out, in)."""

    def __init__(self, size_in, size_out, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size_in, size_out))
        self.bias = nn.Parameter(torch.zeros(size_out)) if bias else None

    def forward(self, x):
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


def gelu_new(x):
    """GPT-2's GELU."""
    return F.gelu(x, approximate="tanh")


GELUS = {"tanh": gelu_new, "exact": nn.GELU()}


@dataclass
class Config:
    vocab: int
    context: int
    layers: int
    heads: int
    channels: int
    norm: str = "layer"
    placement: str = "pre"
    qk_norm: bool = False
    bias: bool = False
    gelu: str = "tanh"  # or "exact"
    linear: type = nn.Linear


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads = c.heads
        self.c_attn = c.linear(c.channels, 3 * c.channels, bias=c.bias)
        self.c_proj = c.linear(c.channels, c.channels, bias=c.bias)
        self.q_norm = self.k_norm = None
        if c.qk_norm:
            kind, size = qk_kind(c.norm), c.channels // c.heads
            self.q_norm, self.k_norm = make_norm(kind, size, c.bias), make_norm(kind, size, c.bias)

    def forward(self, x):
        qkv = self.c_attn(x)
        if self.q_norm is not None:
            qkv = qk_norm(qkv, self.heads, self.q_norm, self.k_norm)
        return self.c_proj(causal_attention(qkv, self.heads))


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c_fc = c.linear(c.channels, 4 * c.channels, bias=c.bias)
        self.gelu = GELUS[c.gelu]
        self.c_proj = c.linear(4 * c.channels, c.channels, bias=c.bias)

    def forward(self, x):
        return self.c_proj(self.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, c, number):
        super().__init__()
        self.placement = c.placement
        self.scale = number ** -0.5 if c.placement == "scaled" else 1
        self.ln_1, self.attn = make_norm(c.norm, c.channels, c.bias), Attention(c)
        self.ln_2, self.mlp = make_norm(c.norm, c.channels, c.bias), MLP(c)
        if c.placement == "peri":
            self.ln_1_post, self.ln_2_post = (make_norm(c.norm, c.channels, c.bias) for _ in range(2))

    def forward(self, x):
        if self.placement == "post":
            x = self.ln_1(x + self.attn(x))
            return self.ln_2(x + self.mlp(x))
        if self.placement == "peri":
            x = x + self.ln_1_post(self.attn(self.ln_1(x)))
            return x + self.ln_2_post(self.mlp(self.ln_2(x)))
        x = x + self.attn(self.scale * self.ln_1(x))
        return x + self.mlp(self.scale * self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(c.vocab, c.channels),
            "wpe": nn.Embedding(c.context, c.channels),
            "h": nn.ModuleList(Block(c, i + 1) for i in range(c.layers)),
            "ln_f": make_norm("none" if c.placement in ("post", "open") else c.norm, c.channels, c.bias),
        })
        self.lm_head = nn.Linear(c.channels, c.vocab, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, ids):
        """Maps ids (B,T) to logits (B,T,vocab)."""
        x = self.transformer.wte(ids) + self.transformer.wpe(torch.arange(ids.shape[1]))
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))
