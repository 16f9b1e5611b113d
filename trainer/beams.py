"""Beam search: the text that is likeliest by its mean log-probability a token, as `transformers` searches for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trainer.stepper import Stepper

if TYPE_CHECKING:
    from trainer.generate import Marker

NEVER = -1e9
"""The log-probability of what is not there; -inf less -inf would be no number."""


def search(
    reader: Stepper, starts: Tensor, lengths: Tensor, barred: Tensor, end: int, beams: int, marker: Marker | None = None
) -> Tensor:
    """The best text of each row.

    Args:
        starts: (rows, width), what each row begins with.
        lengths: (rows,), after how many tokens each ends, if `end` does not come before.
        barred: tokens that may not be chosen.
        beams: so many beginnings of each text are gone on with.
    Returns:
        (rows, longest); what stands after `end`, or after the length of a row, is nothing.
    """
    rows, longest = len(starts), int(lengths.max())
    scores = reader.step(starts).repeat_interleave(beams, 0)
    reader.keep(torch.arange(rows, device=starts.device).repeat_interleave(beams))
    state = _Beams(starts, longest, beams)
    for place in range(longest):
        likely = scores.log_softmax(dim=-1).index_fill(1, barred, NEVER)
        if marker:
            likely = marker(state.read(place), likely)
        parents, chosen = state.grow(likely, place, lengths[:, None], end)
        if not state.going.any():
            break
        reader.keep(parents)
        scores = reader.step(chosen)
    return state.best_ids[:, 0]


class _Beams:
    """The beginnings that are gone on with, and the best texts that have ended, of all rows; each (rows, beams, …)."""

    def __init__(self, starts: Tensor, longest: int, beams: int) -> None:
        shape = len(starts), beams
        self.starts = starts.repeat_interleave(beams, 0)
        self.ids = starts.new_zeros((*shape, longest))
        self.totals = torch.full(shape, NEVER, device=starts.device)
        self.totals[:, 0] = 0  # all beams are alike yet, so one of them counts
        self.best_ids, self.best = self.ids.clone(), torch.full_like(self.totals, NEVER)
        self.are_ended = torch.zeros(shape, dtype=torch.bool, device=starts.device)
        self.going = torch.ones((len(starts), 1), dtype=torch.bool, device=starts.device)

    def read(self, place: int) -> Tensor:
        """All tokens so far, (rows x beams, tokens)."""
        return torch.cat([self.starts, self.ids.flatten(0, 1)[:, :place]], dim=1)

    def grow(self, likely: Tensor, place: int, lengths: Tensor, end: int) -> tuple[Tensor, Tensor]:
        """Go on by one token.

        Args:
            likely: (rows x beams, vocabulary), log-probabilities of the next token.
            lengths: (rows, 1).
        Returns:
            Which of all beams each of the new ones goes on from, (rows x beams,), and its token, (rows x beams, 1).
        """
        (rows, beams), vocabulary = self.totals.shape, likely.shape[1]
        # Twice as many, so that enough go on even where the token of every other one is the end.
        totals, places = (likely.view(rows, beams, -1) + self.totals[..., None]).flatten(1).topk(2 * beams)
        parents, tokens = places // vocabulary, places % vocabulary
        ids = _of(self.ids, parents)
        ids[:, :, place] = tokens
        ends = (tokens == end) | (place + 1 >= lengths)
        self._keep_best(ids, totals / (place + 1), ends)
        self.totals, kept = totals.where(~ends, NEVER).topk(beams)
        self.ids, parents, tokens = _of(ids, kept), parents.gather(1, kept), tokens.gather(1, kept)
        # The mean of a beam rises only by tokens likelier than that; transformers gives up on them at the same point.
        hopes = self.totals[:, :1] / (place + 1)
        worst = self.best.amin(dim=1, keepdim=True).where(self.are_ended, NEVER)
        self.going &= (hopes > worst).any(dim=1, keepdim=True) & (place + 1 < lengths)
        offsets = torch.arange(rows, device=parents.device)[:, None] * beams
        return (parents + offsets).flatten(), tokens.flatten()[:, None]

    def _keep_best(self, ids: Tensor, means: Tensor, ends: Tensor) -> None:
        """Keep the best texts that have ended: of the new ones only those that are among the first."""
        may_end = ends & self.going
        may_end[:, self.best.shape[1] :] = False
        self.best, kept = torch.cat([self.best, means.where(may_end, NEVER)], dim=1).topk(self.best.shape[1])
        self.best_ids = _of(torch.cat([self.best_ids, ids], dim=1), kept)
        self.are_ended = torch.cat([self.are_ended, may_end], dim=1).gather(1, kept)


def _of(ids: Tensor, kept: Tensor) -> Tensor:
    """The tokens (rows, kept, longest) of those beams of each row that are kept (rows, kept)."""
    return ids.gather(1, kept[..., None].expand(-1, -1, ids.shape[2]))
