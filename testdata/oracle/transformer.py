"""The transformer and its parts: GELU, attention, QK-norm."""

import math
from functools import partial

import torch
import torch.nn.functional as F

from .case import Random, each_dtype, leaf, makes_files, number, run, tensor, write
from .rownorms import rms_norm
from .training import cross_entropy


def gelu_cases(approximate):
    cases = []
    for shape, *notes in [((5, 13), "span"), ((3, 4, 5),)]:
        for rnd, head in each_dtype("gelu", shape, *notes):
            x = rnd.normal(shape)
            if "span" in notes:
                x = torch.linspace(-8, 8, x.numel(), dtype=x.dtype).reshape(shape)
            out = run(partial(F.gelu, approximate=approximate), rnd.normal(shape), x=x)
            cases.append({**head, **out})
    return cases


@makes_files
def gelu():
    write("gelu.json", "cases", gelu_cases("tanh"))


@makes_files
def gelu_exact():
    write("gelu_exact.json", "cases", gelu_cases("none"))


def causal_attention(qkv, heads):
    """Returns causal multi-head self-attention on (B,T,3C), without projections."""
    B, T, C = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q, k, v = (t.view(B, T, heads, C // heads).transpose(1, 2) for t in qkv.split(C, dim=2))
    att = q @ k.transpose(-2, -1) / math.sqrt(C // heads)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    att = F.softmax(att.masked_fill(future, -math.inf), dim=-1)
    return (att @ v).transpose(1, 2).reshape(B, T, C)


@makes_files
def attention():
    cases = []
    for B, T, C, heads in [(2, 5, 8, 2), (1, 1, 4, 1), (3, 7, 6, 3)]:
        for rnd, head in each_dtype("attention", (B, T, C, heads)):
            out = run(partial(causal_attention, heads=heads), rnd.normal((B, T, C)),
                      x=rnd.normal((B, T, 3 * C)))
            cases.append({**head, "heads": heads, **out})
    write("attention.json", "cases", cases)


def qk_norm(qkv, heads, norm_q, norm_k):
    """Normalizes each head's queries and keys of qkv (B,T,3C)."""
    B, T, C = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q, k, v = qkv.split(C, dim=2)
    q, k = (norm(t.view(B, T, heads, C // heads)).view(B, T, C) for norm, t in [(norm_q, q), (norm_k, k)])
    return torch.cat([q, k, v], dim=2)


@makes_files
def qknorm():
    cases = []
    variants = [((2, 5, 8, 2), "layer", 1e-5, True), ((1, 3, 15, 3), "layer", 1e-3, False, "nobias"),
                ((3, 4, 12, 3), "rms", 1e-6, False)]
    for (B, T, C, heads), kind, eps, has_bias, *notes in variants:
        n = C // heads
        for rnd, head in each_dtype("qknorm", (B, T, C, heads), kind, *notes):
            def fn(x, qw, qb, kw, kb):
                if kind == "rms":
                    return qk_norm(x, heads, lambda q: rms_norm(q, qw, eps), lambda k: rms_norm(k, kw, eps))
                return qk_norm(x, heads, lambda q: F.layer_norm(q, (n,), qw, qb, eps),
                               lambda k: F.layer_norm(k, (n,), kw, kb, eps))

            out = run(fn, rnd.normal((B, T, 3 * C)), x=rnd.normal((B, T, 3 * C)),
                      qweight=rnd.gamma(n), qbias=rnd.beta(n) if has_bias else None,
                      kweight=rnd.gamma(n), kbias=rnd.beta(n) if has_bias else None)
            cases.append({**head, "norm": kind, "heads": heads, "eps": eps, **out})
    write("qknorm.json", "cases", cases)


def transformer_params(rnd, bias, vocab, context, layers, C, placement, qk):
    """Returns the parameters of nanoGPT by name, without lm_head, which is tied to wte.

    qk is the size of a head if queries and keys are normalized, or else None.
    """
    p = {}

    def linear(name, *shape):
        p[name + ".weight"] = rnd.normal(shape, 0, 0.3, 3)
        if bias:
            p[name + ".bias"] = rnd.normal(shape[:1], 0, 0.1, 3)

    def norm(name, n=C):
        p[name + ".weight"] = rnd.gamma(n)
        if bias:
            p[name + ".bias"] = rnd.normal((n,), 0, 0.1, 3)

    p["transformer.wte.weight"] = rnd.normal((vocab, C), 0, 0.3, 3)
    p["transformer.wpe.weight"] = rnd.normal((context, C), 0, 0.3, 3)
    for i in range(layers):
        h = f"transformer.h.{i}."
        norm(h + "ln_1")
        linear(h + "attn.c_attn", 3 * C, C)
        if qk:
            norm(h + "attn.q_norm", qk)
            norm(h + "attn.k_norm", qk)
        linear(h + "attn.c_proj", C, C)
        if placement == "peri":
            norm(h + "ln_1_post")
        norm(h + "ln_2")
        linear(h + "mlp.c_fc", 4 * C, C)
        linear(h + "mlp.c_proj", C, 4 * C)
        if placement == "peri":
            norm(h + "ln_2_post")
    if placement not in ("post", "open"):
        norm("transformer.ln_f")
    return {name: leaf(t) for name, t in p.items()}


def transformer_logits(p, ids, kind, eps, layers, heads, placement, qk):
    def linear(x, name):
        return F.linear(x, p[name + ".weight"], p.get(name + ".bias"))

    def norm(x, name):
        weight = p[name + ".weight"]
        if kind == "rms":
            return rms_norm(x, weight, eps)
        return F.layer_norm(x, weight.shape, weight, p.get(name + ".bias"), eps)

    def residual(x, branch, ln, block):
        if placement == "post":
            return norm(x + branch(x), ln)
        if placement == "peri":
            return x + norm(branch(norm(x, ln)), ln + "_post")
        if placement == "scaled":
            return x + branch(norm(x, ln) / math.sqrt(block))
        return x + branch(norm(x, ln))

    def attend(x, h):
        qkv = linear(x, h + "attn.c_attn")
        if qk:
            qkv = qk_norm(qkv, heads, *(partial(norm, name=h + f"attn.{which}_norm") for which in "qk"))
        return linear(causal_attention(qkv, heads), h + "attn.c_proj")

    def mlp(x, h):
        hidden = F.gelu(linear(x, h + "mlp.c_fc"), approximate="tanh")
        return linear(hidden, h + "mlp.c_proj")

    wte, wpe = p["transformer.wte.weight"], p["transformer.wpe.weight"]
    x = F.embedding(ids, wte) + wpe[:ids.shape[1]]
    for i in range(layers):
        h = f"transformer.h.{i}."
        x = residual(x, partial(attend, h=h), h + "ln_1", i + 1)
        x = residual(x, partial(mlp, h=h), h + "ln_2", i + 1)
    if placement not in ("post", "open"):
        x = norm(x, "transformer.ln_f")
    return F.linear(x, wte)


def transformer_model(seed, kind, bias, eps, placement="pre", qk_norm=False):
    vocab, context, layers, heads, channels = 11, 8, 2, 2, 8
    rnd = Random(seed)
    qk = channels // heads if qk_norm else None
    p = transformer_params(rnd, bias, vocab, context, layers, channels, placement, qk)
    ids, targets = rnd.ints((3, 6), vocab), rnd.ints((3, 6), vocab)
    logits = transformer_logits(p, ids, kind, eps, layers, heads, placement, qk)
    loss = cross_entropy(logits, targets)
    loss.backward()
    return {"norm": kind, "bias": bias, "vocab": vocab, "context": context,
            "layers": layers, "heads": heads, "channels": channels, "eps": eps,
            "params": {name: tensor(t) for name, t in p.items()},
            "ids": tensor(ids), "targets": tensor(targets),
            "logits": tensor(logits), "loss": number(loss),
            "grads": {name: tensor(t.grad) for name, t in p.items()}}


@makes_files
def transformer():
    variants = [("layer", True, 1e-5), ("layer", False, 1e-5), ("rms", False, 1e-6)]
    write("transformer.json", "models",
          [transformer_model(f"transformer {kind} {bias}", kind, bias, eps) for kind, bias, eps in variants])


@makes_files
def placements():
    variants = [("post", False, "layer", True), ("post", False, "rms", False),
                ("peri", False, "layer", True), ("peri", False, "rms", False),
                ("pre", True, "layer", True), ("pre", True, "rms", False),
                ("post", True, "layer", False), ("peri", True, "rms", False),
                ("scaled", False, "layer", True), ("scaled", True, "rms", False),
                ("open", False, "layer", True)]
    models = []
    for placement, qk_norm, kind, bias in variants:
        eps = 1e-6 if kind == "rms" else 1e-5
        seed = f"placements {placement} {qk_norm} {kind} {bias}"
        model = transformer_model(seed, kind, bias, eps, placement, qk_norm)
        models.append({"placement": placement, "qknorm": qk_norm, **model})
    write("placements.json", "models", models)
