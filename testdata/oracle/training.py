"""The optimizer and the loss."""

import torch
import torch.nn.functional as F

from .case import Random, each_dtype, leaf, makes_files, number, tensor, write


@makes_files
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


@makes_files
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
