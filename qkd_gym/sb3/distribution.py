"""Masked categorical actions without the checks that cost as much as the network's heads."""

from __future__ import annotations

from typing import Any

import torch
from sb3_contrib.common.maskable.distributions import MaskableDistribution
from torch import Tensor, nn

# Logit of an illegal action: far below any other, yet finite, so that entropies stay defined.
ILLEGAL = -1e8


class MaskedCategoricals(MaskableDistribution):
    """One or more independent masked categorical decisions.

    Gives what sb3-contrib's categorical distributions give, but normalises once, however often
    masks are applied, and does not validate every tensor on the way.

    Args:
        choices: Number of choices of each decision.
        single: Whether actions are numbers, (B,), instead of rows, (B, decisions).
    """

    def __init__(self, choices: list[int], single: bool) -> None:
        super().__init__()
        self.choices, self.single = choices, single

    def proba_distribution_net(self, *args: Any, **kwargs: Any) -> nn.Module:
        """The policy gives logits itself."""
        return nn.Identity()

    def proba_distribution(self, action_logits: Tensor) -> MaskedCategoricals:  # type: ignore[override]
        """Sets the logits, (B, sum of choices), and returns itself."""
        self._logits = action_logits
        self._normalised: tuple[Tensor, ...] | None = None
        return self

    def apply_masking(self, masks: Any) -> None:
        """Rules out further actions where ``masks``, (B, sum of choices), is false."""
        if masks is not None:
            legal = torch.as_tensor(masks, device=self._logits.device).bool()
            self._logits = self._logits.masked_fill(~legal.view_as(self._logits), ILLEGAL)
            self._normalised = None

    def _log_probabilities(self) -> tuple[Tensor, ...]:
        if self._normalised is None:
            parts = self._logits.split(self.choices, dim=1)
            self._normalised = tuple(part.log_softmax(1) for part in parts)
        return self._normalised

    def log_prob(self, actions: Tensor) -> Tensor:  # type: ignore[override]
        """Logarithm of the probability of the actions, (B,)."""
        columns = actions.long().view(len(self._logits), -1).split(1, dim=1)
        parts = zip(self._log_probabilities(), columns, strict=True)
        return torch.cat([part.gather(1, column) for part, column in parts], dim=1).sum(1)

    def entropy(self) -> Tensor:
        """Entropy, (B,), summed over the decisions."""
        parts = [-(part.exp() * part).sum(1) for part in self._log_probabilities()]
        return torch.stack(parts).sum(0)

    def sample(self) -> Tensor:
        """Drawn actions, (B,) or (B, decisions)."""
        return self._joined([part.exp().multinomial(1) for part in self._log_probabilities()])

    def mode(self) -> Tensor:
        """The likeliest actions, (B,) or (B, decisions)."""
        return self._joined([part.argmax(1, keepdim=True) for part in self._log_probabilities()])

    def _joined(self, columns: list[Tensor]) -> Tensor:
        return columns[0][:, 0] if self.single else torch.cat(columns, dim=1)

    def actions_from_params(self, action_logits: Tensor, deterministic: bool = False) -> Tensor:  # type: ignore[override]
        """Actions, (B,) or (B, decisions), of logits, (B, sum of choices)."""
        return self.proba_distribution(action_logits).get_actions(deterministic)

    def log_prob_from_params(self, action_logits: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Drawn actions of logits, (B, sum of choices), and their log-probabilities, (B,)."""
        actions = self.actions_from_params(action_logits)
        return actions, self.log_prob(actions)
