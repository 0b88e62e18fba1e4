"""Which weights a run would hand on: those that it has, their mean over time, or part of the way to them.

The mean is exponential, over updates (Polyak and Juditsky 1992, as used by Tarvainen and Valpola 2017,
arXiv 1703.01780), and begins at the first weights. Part of the way back from where fine-tuning led to
where it began forgets less of what was known before (Wortsman et al. 2022, arXiv 2109.01903).
What is evaluated is what would be handed on. Buffers, such as running statistics, are taken as they are.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping

import torch
from torch import nn

from sievert.training.checkpoints import apart
from sievert.training.learning import Learning

Weights = dict[str, torch.Tensor]


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 of all weights and buffers with their names."""
    digest = hashlib.sha256()
    for name, one in model.state_dict().items():
        whole = apart(one)
        digest.update(f"{name} {whole.dtype} {tuple(whole.shape)}\n".encode())
        digest.update(whole.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def parameter_count(model: nn.Module) -> int:
    """Return how many numbers a model has learned or can learn; buffers do not count."""
    return sum(one.numel() for one in model.parameters())


class HandedOn:
    """Keeps what it takes to know the weights that would be handed on now."""

    def __init__(self, model: nn.Module, learning: Learning) -> None:
        """Begin at the first weights of a model."""
        self._model, self._learning = model, learning
        learned = dict(model.named_parameters(remove_duplicate=False))
        self._began = {name: one.detach().clone() for name, one in learned.items()} if self._partly else {}
        self.mean = {name: one.detach().clone() for name, one in learned.items()} if self._averages else {}

    @property
    def _averages(self) -> bool:
        return self._learning.average > 0

    @property
    def _partly(self) -> bool:
        return self._learning.part_way < 1

    @torch.no_grad()
    def updated(self) -> None:
        """Take the weights of one more update into the mean."""
        for name, mean in self.mean.items():
            mean.lerp_(self._model.get_parameter(name).detach(), 1 - self._learning.average)

    def restore_mean(self, mean: Mapping[str, torch.Tensor]) -> None:
        """Go on from a mean that a checkpoint kept."""
        for name, one in self.mean.items():
            one.copy_(mean[name])

    @torch.no_grad()
    def weights(self) -> Weights:
        """Return a copy of the weights and buffers that would be handed on, in main memory."""
        found = {name: apart(one) for name, one in self._model.state_dict().items()}
        for name in dict(self._model.named_parameters(remove_duplicate=False)):
            one = self.mean[name] if self._averages else self._model.get_parameter(name)
            found[name] = apart(self._began[name].lerp(one, self._learning.part_way) if self._partly else one)
        return found

    @contextlib.contextmanager
    def in_place(self, weights: Weights) -> Iterator[None]:
        """Let the model have these weights for a while, and be as it is when it serves."""
        trained = {name: apart(one) for name, one in self._model.state_dict().items()}
        self._model.load_state_dict(weights)
        self._model.eval()
        try:
            yield
        finally:
            self._model.load_state_dict(trained)
            self._model.train()
