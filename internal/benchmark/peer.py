"""PyTorch's side of the benchmark. It reads tasks from standard input, one per line
of JSON, repeats each "repeat" times, and answers with a line with the time.

    {"task": "norm", "kind": "LayerNorm", "rows": 2048, "cols": 256, "repeat": 20}
    {"seconds": 0.0123}

The first line that it writes is {"version": ..., "kernels": ...}. If a task fails,
the last line is {"error": ...}. Its argument is the number of threads.
"""

import json
import math
import signal
import sys
import time


def norm(kind, rows, cols):
    """Forward and backward, with a random upstream gradient."""
    x, dy = torch.randn(rows, cols, requires_grad=True), torch.randn(rows, cols)
    w, b = torch.ones(cols, requires_grad=True), torch.zeros(cols, requires_grad=True)
    mean, var = torch.zeros(cols), torch.ones(cols)
    forward, inputs = {
        "LayerNorm": (lambda: F.layer_norm(x, (cols,), w, b), (x, w, b)),
        "BatchNorm": (lambda: F.batch_norm(x, mean, var, w, b, training=True), (x, w, b)),
        "RMSNorm": (lambda: rms_norm(x, w), (x, w)),
    }[kind]
    return lambda: torch.autograd.grad(forward(), inputs, dy)


def rms_norm(x, w):
    if hasattr(F, "rms_norm"):  # from PyTorch 2.4
        return F.rms_norm(x, w.shape, w)
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + torch.finfo(x.dtype).eps) * w


def gemm(m, n, k, trans_a, trans_b):
    a = torch.randn(k, m).t() if trans_a else torch.randn(m, k)
    b = torch.randn(n, k).t() if trans_b else torch.randn(k, n)
    c = torch.empty(m, n)
    return lambda: torch.mm(a, b, out=c)


def step(vocab, context, layers, heads, channels, batch, lr, betas, decay, clip):
    """A training step of nanoGPT's model, always on the same batch."""
    model = gpt(vocab, context, layers, heads, channels)
    params = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in params if p.dim() >= 2], "weight_decay": decay},
         {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0}], lr=lr, betas=betas)
    ids, targets = torch.randint(vocab, (2, batch, context))

    def run():
        logits = model(ids)
        F.cross_entropy(logits.view(-1, vocab), targets.view(-1)).backward()
        torch.nn.utils.clip_grad_norm_(params, clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


def gpt(vocab, context, layers, heads, channels):
    """The model of github.com/karpathy/nanoGPT, without dropout and biases."""
    nn = torch.nn

    class Norm(nn.Module):  # PyTorch 1.13's own LayerNorm always has a bias
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(channels))

        def forward(self, x):
            return F.layer_norm(x, self.weight.shape, self.weight, None, 1e-5)

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.c_attn = nn.Linear(channels, 3 * channels, bias=False)
            self.c_proj = nn.Linear(channels, channels, bias=False)
            self.register_buffer("mask", torch.tril(torch.ones(context, context)).view(1, 1, context, context))

        def forward(self, x):
            B, T, C = x.shape
            q, k, v = (t.view(B, T, heads, C // heads).transpose(1, 2) for t in self.c_attn(x).split(C, dim=2))
            if hasattr(F, "scaled_dot_product_attention"):  # from PyTorch 2.0
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            else:
                att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
                att = att.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
                y = F.softmax(att, dim=-1) @ v
            return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))

    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.c_fc = nn.Linear(channels, 4 * channels, bias=False)
            self.c_proj = nn.Linear(4 * channels, channels, bias=False)

        def forward(self, x):
            return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.attn, self.ln_2, self.mlp = Norm(), Attention(), Norm(), MLP()

        def forward(self, x):
            x = x + self.attn(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(vocab, channels), nn.Embedding(context, channels)
            self.h = nn.ModuleList(Block() for _ in range(layers))
            self.ln_f = Norm()
            self.lm_head = nn.Linear(channels, vocab, bias=False)
            for name, p in self.named_parameters():
                if p.dim() >= 2:
                    residual = name.endswith("c_proj.weight")
                    nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers) if residual else 0.02)
            self.wte.weight = self.lm_head.weight

        def forward(self, ids):
            x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
            for block in self.h:
                x = block(x)
            return self.lm_head(self.ln_f(x))

    return GPT()


TASKS = {f.__name__: f for f in (norm, gemm, step)}


def answer(**fields):
    print(json.dumps(fields), flush=True)


def serve():
    current, run = None, None
    for line in sys.stdin:
        command = json.loads(line)
        repeat = command.pop("repeat")
        if command != current:
            current, run = command, None  # None frees the old task's memory first
            run = TASKS[command["task"]](**{k: v for k, v in command.items() if k != "task"})
        start = time.perf_counter()
        for _ in range(repeat):
            run()
        answer(seconds=time.perf_counter() - start)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process ends when standard input ends
    try:
        import torch
        import torch.nn.functional as F

        torch.manual_seed(1)
        torch.set_num_threads(int(sys.argv[1]))
        config = torch.__config__.show()
        kernels = next((line.split()[-1] for line in config.splitlines() if "CPU capability" in line), "")
        answer(version=torch.__version__, kernels=kernels)
        serve()
    except Exception as e:
        answer(error=f"{type(e).__name__}: {e}")
