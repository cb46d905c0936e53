"""Makes the golden values that the tests of gorgonorm compare against.

Writes layernorm.json, rmsnorm.json, batchnorm.json, adamw.json,
crossentropy.json, gelu.json, attention.json, qknorm.json, transformer.json and
placements.json beside this script. The committed files were made with PyTorch
1.13.1 (Debian package 1.13.1+dfsg-4, which calls itself 1.13.0a0) on the CPU.
To remake them (Debian: apt install python3-torch):

    python3 testdata/golden.py

Each case has its own fixed seed, so a second run writes the same bytes; another
version of PyTorch, or another CPU, may change the last digits.

A tensor is {"shape": [...], "data": [row-major numbers]}. Numbers are the
shortest decimals that read back as the same value of the case's dtype. Random
inputs are rounded to a few decimals to keep the files small, and are the same
for both dtypes of a case. Features are always the last axis. Every gradient is
from autograd, with a random upstream gradient dy.
"""

import json
import math
import pathlib
import zlib
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent


class Random:
    """Random tensors of one dtype, seeded by the name of a case."""

    def __init__(self, seed, dtype=torch.float64):
        self.gen = torch.Generator().manual_seed(zlib.crc32(seed.encode()))
        self.dtype = dtype

    def normal(self, shape, mean=0.5, std=1.5, decimals=2):
        r = torch.randn(shape, generator=self.gen, dtype=torch.float64)
        return (r * std + mean).round(decimals=decimals).to(self.dtype)

    def gamma(self, n):
        return self.normal((n,), 1, 0.3, 3)

    def beta(self, n):
        return self.normal((n,), 0, 0.3, 3)

    def ints(self, shape, high):
        return torch.randint(high, shape, generator=self.gen)


def each_dtype(kind, shape, *notes):
    """Yields, for each dtype, a Random and the first fields of the case."""
    name = "-".join(["x".join(map(str, shape)), *notes])
    for dtype in [torch.float64, torch.float32]:
        dt = str(dtype).removeprefix("torch.")
        yield Random(f"{kind} {name}", dtype), {"name": f"{name}-{dt}", "dtype": dt}


def tensor(t):
    """The JSON form of a tensor, or of None."""
    if t is None:
        return None
    data = t.detach().reshape(-1).tolist()
    if t.dtype == torch.float32:
        data = [float(str(np.float32(v))) for v in data]
    return {"shape": list(t.shape), "data": data}


def number(t):
    """The JSON form of a tensor of one number."""
    return tensor(t)["data"][0]


def leaf(t):
    """A copy of t that collects a gradient; None stays None."""
    return None if t is None else t.clone().requires_grad_()


def write(file, key, items, **head):
    """Writes {head..., key: items} with each item on its own line."""
    dump = partial(json.dumps, separators=(",", ":"), allow_nan=False)
    fields = "".join(f"{dump(k)}:{dump(v)},\n" for k, v in head.items())
    lines = ",\n".join(map(dump, items))
    (HERE / file).write_text(f"{{{fields}{dump(key)}:[\n{lines}\n]}}\n")


def run(fn, dy, **inputs):
    """The inputs, dy, y = fn(*inputs) and the gradients of the inputs."""
    inputs = {name: leaf(t) for name, t in inputs.items()}
    y = fn(*inputs.values())
    y.backward(dy)
    grads = {"d" + name: t if t is None else t.grad for name, t in inputs.items()}
    return {name: tensor(t) for name, t in {**inputs, "dy": dy, "y": y, **grads}.items()}


# Shapes that layernorm and rmsnorm share.
SHAPES = [(5, 7), (1, 16), (6, 1), (3, 4, 8), (33, 17)]


def layernorm():
    variants = [(shape, 1e-5, True, 0.5, 1.5) for shape in SHAPES] + [
        ((5, 7), 1e-5, False, 0.5, 1.5, "nobias"),
        ((5, 7), 1e-3, True, 0.5, 1.5, "eps"),
        ((4, 9), 1e-5, True, 1e3, 1, "mean1000"),
    ]
    cases = []
    for shape, eps, has_bias, mean, std, *notes in variants:
        n = shape[-1]
        for rnd, head in each_dtype("layernorm", shape, *notes):
            out = run(lambda x, w, b: F.layer_norm(x, (n,), w, b, eps), rnd.normal(shape),
                      x=rnd.normal(shape, mean, std), weight=rnd.gamma(n),
                      bias=rnd.beta(n) if has_bias else None)
            cases.append({**head, "eps": eps, **out})
    write("layernorm.json", "cases", cases)


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def rmsnorm():
    variants = [(shape, 1e-6) for shape in SHAPES] + [
        ((5, 7), 1e-2, "eps"),
        ((5, 7), None, "finfo"),  # None: the eps of the dtype
    ]
    cases = []
    for shape, variant_eps, *notes in variants:
        for rnd, head in each_dtype("rmsnorm", shape, *notes):
            eps = variant_eps or torch.finfo(rnd.dtype).eps
            out = run(lambda x, w: rms_norm(x, w, eps), rnd.normal(shape),
                      x=rnd.normal(shape), weight=rnd.gamma(shape[-1]))
            cases.append({**head, "eps": eps, **out})
    write("rmsnorm.json", "cases", cases)


def batchnorm_case(rnd, shape, eps, momentum, has_bias):
    n = shape[-1]
    weight, bias = rnd.gamma(n), rnd.beta(n) if has_bias else None
    mean, var = torch.zeros(n, dtype=rnd.dtype), torch.ones(n, dtype=rnd.dtype)

    def running():
        return {"running_mean": tensor(mean), "running_var": tensor(var)}

    def step(shape, training):
        def fn(x, w, b):  # training updates mean and var in place
            y = F.batch_norm(x.reshape(-1, n), mean, var, w, b, training, momentum, eps)
            return y.reshape(shape)

        out = run(fn, rnd.normal(shape), x=rnd.normal(shape), weight=weight, bias=bias)
        return {name: out[name] for name in ["x", "dy", "y", "dx", "dweight", "dbias"]}

    return {"eps": eps, "momentum": momentum, "weight": tensor(weight), "bias": tensor(bias),
            **running(), "steps": [{**step(shape, True), **running()} for _ in range(3)],
            "eval": step((5, *shape[1:]), False)}


def batchnorm():
    variants = [(s, 1e-5, 0.1, True) for s in [(8, 5), (3, 4, 6), (33, 17), (3, 3)]] + [
        ((8, 5), 1e-3, 0.3, True, "momentum"),
        ((8, 5), 1e-5, 0.1, False, "nobias"),
    ]
    cases = [{**head, **batchnorm_case(rnd, shape, eps, momentum, has_bias)}
             for shape, eps, momentum, has_bias, *notes in variants
             for rnd, head in each_dtype("batchnorm", shape, *notes)]
    write("batchnorm.json", "cases", cases)


def adamw():
    rnd = Random("adamw")
    lrs, betas, eps, weight_decay = [0.01, 0.05, 0.1, 0.03, 0.002], (0.9, 0.99), 1e-8, 0.1
    groups, params = [], []
    for name, shape, decay in [("matrix", (3, 4), True), ("vector", (4,), False)]:
        p = leaf(rnd.normal(shape))
        groups.append({"params": [p], "weight_decay": weight_decay if decay else 0.0})
        params.append({"name": name, "decay": decay, "init": tensor(p), "grads": [], "values": []})
    opt = torch.optim.AdamW(groups, betas=betas, eps=eps)
    for lr in lrs:
        for group, param in zip(opt.param_groups, params):
            group["lr"] = lr
            p = group["params"][0]
            p.grad = rnd.normal(p.shape)
            param["grads"].append(tensor(p.grad))
        opt.step()
        for group, param in zip(opt.param_groups, params):
            param["values"].append(tensor(group["params"][0]))
    write("adamw.json", "params", params, lr=lrs, beta1=betas[0], beta2=betas[1], eps=eps,
          weight_decay=weight_decay)


def cross_entropy(logits, targets):
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))


def crossentropy():
    cases = []
    variants = [((4, 5), 1.5), ((2, 3, 7), 1.5), ((1, 9), 1.5), ((4, 6), 80, "large")]
    for shape, std, *notes in variants:
        for rnd, head in each_dtype("crossentropy", shape, *notes):
            logits, targets = leaf(rnd.normal(shape, std=std)), rnd.ints(shape[:-1], shape[-1])
            loss = cross_entropy(logits, targets)
            loss.backward()
            cases.append({**head, "logits": tensor(logits), "targets": tensor(targets),
                          "loss": number(loss), "dlogits": tensor(logits.grad)})
    write("crossentropy.json", "cases", cases)


def gelu():
    cases = []
    for shape, *notes in [((5, 13), "span"), ((3, 4, 5),)]:
        for rnd, head in each_dtype("gelu", shape, *notes):
            x = rnd.normal(shape)
            if "span" in notes:
                x = torch.linspace(-8, 8, x.numel(), dtype=x.dtype).reshape(shape)
            out = run(partial(F.gelu, approximate="tanh"), rnd.normal(shape), x=x)
            cases.append({**head, **out})
    write("gelu.json", "cases", cases)


def causal_attention(qkv, heads):
    """Causal multi-head self-attention on (B,T,3C), without projections."""
    B, T, C = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q, k, v = (t.view(B, T, heads, C // heads).transpose(1, 2) for t in qkv.split(C, dim=2))
    att = q @ k.transpose(-2, -1) / math.sqrt(C // heads)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    att = F.softmax(att.masked_fill(future, -math.inf), dim=-1)
    return (att @ v).transpose(1, 2).reshape(B, T, C)


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
    """The parameters of nanoGPT by name, without lm_head, which is tied to wte.

    qk is the size of a head where queries and keys are normalized, else None.
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
    if placement != "post":
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

    def residual(x, branch, ln):
        if placement == "post":
            return norm(x + branch(x), ln)
        if placement == "peri":
            return x + norm(branch(norm(x, ln)), ln + "_post")
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
        x = residual(x, partial(attend, h=h), h + "ln_1")
        x = residual(x, partial(mlp, h=h), h + "ln_2")
    if placement != "post":
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


def transformer():
    variants = [("layer", True, 1e-5), ("layer", False, 1e-5), ("rms", False, 1e-6)]
    write("transformer.json", "models",
          [transformer_model(f"transformer {kind} {bias}", kind, bias, eps) for kind, bias, eps in variants])


def placements():
    variants = [("post", False, "layer", True), ("post", False, "rms", False),
                ("peri", False, "layer", True), ("peri", False, "rms", False),
                ("pre", True, "layer", True), ("pre", True, "rms", False),
                ("post", True, "layer", False), ("peri", True, "rms", False)]
    models = []
    for placement, qk_norm, kind, bias in variants:
        eps = 1e-6 if kind == "rms" else 1e-5
        seed = f"placements {placement} {qk_norm} {kind} {bias}"
        model = transformer_model(seed, kind, bias, eps, placement, qk_norm)
        models.append({"placement": placement, "qknorm": qk_norm, **model})
    write("placements.json", "models", models)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for make in [layernorm, rmsnorm, batchnorm, adamw, crossentropy, gelu, attention, qknorm,
                 transformer, placements]:
        make()
