"""Second derivatives: gradients of LayerNorm's and RMSNorm's gradients."""

import torch
import torch.nn.functional as F

from .case import affine, each_dtype, leaf, makes_files, tensor, write
from .rownorms import rms_norm_options

NORMS = {
    "layer": lambda x, weight, bias, eps: F.layer_norm(x, x.shape[-1:], weight, bias, eps),
    "rms": lambda x, weight, bias, eps: rms_norm_options(x, weight, x.shape[-1:], eps, False, 1),
}


def second_case(rnd, shape, norm, eps, params, only):
    given = {"x": rnd.normal(shape), **affine(rnd, params, shape[-1]), "dy": rnd.normal(shape)}
    given = {name: leaf(t) for name, t in given.items()}
    x, weight, bias, dy = given.values()
    y = norm(x, weight, bias, eps)

    def derivatives(of, upstream, names, **options):
        """Returns gradients by name, for the names that the case has."""
        wrt = {name: given[name] for name in names if given[name] is not None}
        return dict(zip(wrt, torch.autograd.grad(of, wrt.values(), upstream, **options)))

    first = derivatives(y, dy, ["x", "weight", "bias"], create_graph=True)
    # s = Σ u·dx + Σ v·dweight + Σ w·dbias, or one of its terms.
    letters = {"u": "x", "v": "weight", "w": "bias"}
    upstream = {letter: rnd.normal(first[name].shape) for letter, name in letters.items()
                if name in first and only in (letter, None)}
    s = sum((t * first[letters[letter]]).sum() for letter, t in upstream.items())
    seconds = derivatives(s, None, ["x", "weight", "dy"], allow_unused=True)
    for name, t in seconds.items():
        if t is None:  # s does not depend on it
            seconds[name] = torch.zeros_like(given[name])

    out = {**given, "y": y, **{"d" + name: first.get(name) for name in ["x", "weight", "bias"]},
           **{letter: upstream.get(letter) for letter in letters},
           "ddx": seconds["x"], "ddweight": seconds.get("weight"), "ddy": seconds["dy"]}
    return {name: tensor(t) for name, t in out.items()}


@makes_files
def second():
    """Fields: norm ("layer" or "rms"), eps; x, weight, bias, dy; the first pass y, dx, dweight, dbias;
    the random u, v, w (null if not in s); the gradients ddx, ddweight and ddy of
    s = Σ u·dx + Σ v·dweight + Σ w·dbias."""
    variants = [
        # shape, norm, affine, eps, the only term of s
        ((5, 7), "layer", "both", 1e-5, None),
        ((3, 4, 8), "layer", "both", 1e-2, None),
        ((5, 7), "layer", "nobias", 1e-2, None),
        ((5, 7), "layer", "noaffine", 1e-5, None),
        ((5, 7), "layer", "both", 1e-5, "u"),
        ((5, 7), "layer", "both", 1e-5, "v"),
        ((5, 7), "layer", "both", 1e-5, "w"),
        ((5, 7), "rms", "nobias", 1e-5, None),
        ((3, 4, 8), "rms", "nobias", 1e-2, None),
        ((6, 1), "rms", "nobias", 0.5, None),  # with a smaller eps only rounding errors remain
        ((5, 7), "rms", "noaffine", 1e-2, None),
        ((5, 7), "rms", "nobias", 1e-5, "u"),
        ((5, 7), "rms", "nobias", 1e-5, "v"),
    ]
    cases = []
    for shape, norm, params, eps, only in variants:
        notes = [norm, params, f"eps{eps}"] + ([f"only_{only}"] if only else [])
        for rnd, head in each_dtype("second", shape, *notes):
            out = second_case(rnd, shape, NORMS[norm], eps, params, only)
            cases.append({**head, "norm": norm, "eps": eps, **out})
    write("second.json", "cases", cases)
