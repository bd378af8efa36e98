"""From logits to tokens: temperature, nucleus, and one number between 0 and 1 for each draw."""

import torch


def log_distribution(logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """The natural log-probabilities (..., vocabulary) that tokens are drawn with, in float32; −inf: never drawn.

    `top_p` keeps the nucleus, the fewest tokens whose probabilities sum to that much (Holtzman et al., arXiv
    1904.09751), and its probabilities sum to 1 again. A temperature of 0 leaves only the likeliest token.
    """
    logits = logits.float()
    if temperature == 0:
        best = logits.argmax(-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter_(-1, best, 0.0)
    if temperature != 1:
        logits = logits / temperature
    if top_p >= 1:
        return logits.log_softmax(-1)
    ordered, order = logits.sort(stable=True, dim=-1, descending=True)
    share = ordered.softmax(-1)
    # a token is out if those before it are enough; the first has none before it
    out = share.cumsum(-1) - share >= top_p
    out[..., 0] = False
    return logits.masked_fill(out.scatter(-1, order, out), -torch.inf).log_softmax(-1)


def draw(log_probabilities: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """The token (rows) at which the sum of the probabilities (rows, vocabulary) passes each of `numbers`, in [0, 1)."""
    sums = log_probabilities.softmax(-1).cumsum(-1)
    # the sums end near 1 and not at it; a step below 1 keeps rounding from passing the last token
    targets = numbers.clamp(max=1 - 2**-23).unsqueeze(-1) * sums[:, -1:]
    return torch.searchsorted(sums, targets, right=True).squeeze(-1)
