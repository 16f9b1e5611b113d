"""Training the detector that ships, and telling honestly how well it does.

All that is told is told of texts that no part of it had seen: n-gram models, regression and calibration are fitted anew
without the texts that they are asked about.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from provenance.calibration import (
    Flags,
    Floats,
    auc,
    calibrate,
    calibration_error,
    even,
    logistic,
    measured,
    reliability,
    roc,
)
from provenance.detector import LENGTHS, Ints, LogisticDetector, Regression, bands
from provenance.errors import ProvError
from provenance.features import FEATURES, Likelihood, beginning, excerpts, length_of, surfaces, words_of
from provenance.origin import text_digest

Advance = Callable[[int], None]

LEAST_TEXTS = 50
"""Of each class there must be as many: fewer tell nothing of the other texts of the world."""
COMMON = 0.9
"""Texts are read up to the length that this share of each class does not exceed."""
MOST_GENERATORS = 8
"""So many generators, those with the most texts, are each left out once."""


class TooFewTexts(ProvError):
    """There are too few texts of known origin to learn from."""

    def __init__(self, human: int, model: int) -> None:
        self.human, self.model = human, model
        super().__init__(
            f"a detector learns from {LEAST_TEXTS:,} human texts and {LEAST_TEXTS:,} of models at least, there are "
            f"{human:,} and {model:,} that may be used: take in more of known origin, or ask for more with --where"
        )


@dataclass(frozen=True)
class Labelled:
    """Texts of known origin, to learn from and to be measured on.

    Attributes:
        texts: what was written, prompts left out.
        is_model: (texts,) bool.
        generators: which model wrote each; None for humans, and where nobody knows.
        groups: what must not be learnt from while another of the same group is judged, such as a text and its prompt.
    """

    texts: Sequence[str]
    is_model: Flags
    generators: Sequence[str | None]
    groups: Sequence[bytes]

    @classmethod
    def of(cls, human: Iterable[str], model: Iterable[str], generator: str | None = "a model") -> "Labelled":
        """Each text a group of its own, with its copies."""
        texts = [*human, *(model := list(model))]
        is_model = np.arange(len(texts)) >= len(texts) - len(model)
        generators = [generator if side else None for side in is_model]
        return cls(texts, is_model, generators, [text_digest(text) for text in texts])


@dataclass(frozen=True)
class _Read:
    """Texts as training sees them: each whole, and once more as an excerpt; row i + texts is the excerpt of row i."""

    words: Sequence[Sequence[str]]
    surface: Floats
    lengths: Floats
    is_model: Flags

    def take(self, rows: Ints) -> "_Read":
        return _Read(
            [self.words[row] for row in rows.tolist()], self.surface[rows], self.lengths[rows], self.is_model[rows]
        )

    def features(self, likelihood: Likelihood) -> Floats:
        return np.hstack([likelihood.features(self.words), self.surface])


def train(
    labelled: Labelled, name: str = "logistic", seed: int = 0, folds: int = 5, advance: Advance = lambda done: None
) -> tuple[LogisticDetector, dict[str, Any]]:
    """Train a detector, and tell how well it does on texts that it has not seen.

    The groups of texts are dealt to folds. What judges a fold has n-gram models fitted without it, and a regression
    fitted to features of the other folds that come from n-gram models without the judged fold and without the fold
    that they are of: nowhere has a likelihood been asked of a model that had read the text. The calibration that is
    told of is fitted without the fold too. What is kept is fitted to all, its calibration to the scores of the folds.

    Args:
        folds: 3 at least.
        advance: called with the number of texts done since the last call; each is done several times.
    Returns:
        The detector, and its report: `texts`; `overall`, `by_generator`, `by_length`, each as `measured` says; `bins`
        and `roc`; `unseen_generators`, where there are two or more: how well texts of each are told from humans' by
        a detector that has none of it; `weights` of the features, and what is lost without the `heaviest`.
    Raises:
        TooFewTexts: one class has fewer than it takes.
        ProvError: the groups are fewer than the folds.
    """
    humans = int((~labelled.is_model).sum())
    if min(humans, len(labelled.texts) - humans) < LEAST_TEXTS:
        raise TooFewTexts(humans, len(labelled.texts) - humans)
    most_words = _most_words(labelled)
    labelled = replace(labelled, texts=[beginning(text, most_words) for text in labelled.texts])
    rng = np.random.default_rng(seed)
    fold = _dealt(labelled.groups, labelled.is_model, folds, rng)
    read = _read(labelled, rng)
    advance(len(labelled.texts))
    twice = np.concatenate([fold, fold])
    fitted = _cross_fit(read, twice, folds, advance)
    scores = fitted.scores(np.arange(len(FEATURES)))
    llr = _cross_calibrated(scores, read, twice)
    weights = even(read.is_model, bands(read.lengths))
    detector = LogisticDetector(
        name,
        Likelihood.fit(read.words[: len(fold)], labelled.is_model),
        Regression.fit(fitted.own, read.lengths, read.is_model),
        calibrate(scores, read.lengths, read.is_model, weights),
        most_words,
    )
    advance(len(fold))
    unseen = _unseen_generators(labelled, read, fold, folds, advance)
    report = _report(labelled, read, llr) | {
        "unseen_generators": unseen,
        "weights": {feature: round(weight, 4) for feature, weight in detector.regression.of_features().items()},
        "heaviest": _without_heaviest(fitted, detector.regression, len(fold)),
        "largest_llr": round(detector.calibration.most, 4),
        "half_words": detector.calibration.half,
        "most_words": most_words,
        "folds": folds,
        "seed": seed,
    }
    return detector, report


def _most_words(labelled: Labelled) -> int:
    """How many words of each text are read: a tenth of one class is longer at least, so that both are known there.

    What is longer than all texts of one class would be told by its length alone.
    """
    words = np.array([length_of(text) for text in labelled.texts], np.float64)
    return max(1, int(min(np.quantile(words[labelled.is_model == side], COMMON) for side in (False, True))))


def _dealt(groups: Sequence[bytes], is_model: Flags, folds: int, rng: np.random.Generator) -> Ints:
    """The fold of each text, that of its group; both classes in about equal parts."""
    names, group = np.unique(np.array([digest.hex() for digest in groups]), return_inverse=True)
    if len(names) < folds:
        raise ProvError(
            f"{folds} folds cannot be made of {len(names):,} texts that have nothing to do with each other: "
            "take in more such texts, or ask for fewer folds"
        )
    kind = np.zeros(len(names), np.int64)  # a human's, a model's, or both
    np.bitwise_or.at(kind, group, np.where(is_model, 2, 1))
    of_group = np.empty(len(names), np.int64)
    for each in (1, 2, 3):
        held = np.flatnonzero(kind == each)
        of_group[rng.permutation(held)] = np.arange(len(held)) % folds
    fold: Ints = of_group[group]
    return fold


def _read(labelled: Labelled, rng: np.random.Generator) -> _Read:
    both = [*labelled.texts, *excerpts(labelled.texts, rng)]
    return _Read(
        [words_of(text) for text in both],
        surfaces(both),
        np.array([length_of(text) for text in both], np.float64),
        np.concatenate([labelled.is_model, labelled.is_model]),
    )


def _likelihood(read: _Read, held: Flags) -> Likelihood:
    """N-gram models of those texts that are held, whole: excerpts would only repeat them."""
    whole = np.flatnonzero(held[: len(held) // 2])
    return Likelihood.fit([read.words[row] for row in whole.tolist()], read.is_model[whole])


@dataclass(frozen=True)
class _CrossFitted:
    """The features of texts by n-gram models that never saw them.

    Attributes:
        inner: [f] by models without fold f and without the text's own fold, (folds, texts, features).
        own: by models without the text's own fold, (texts, features).
    """

    read: _Read
    fold: Ints
    inner: Floats
    own: Floats

    def scores(self, columns: Ints) -> Floats:
        """Of each text the score by a regression over some features that was fitted without its fold, (texts,)."""
        scores = np.empty(len(self.fold))
        lengths, is_model = self.read.lengths, self.read.is_model
        for each in range(len(self.inner)):
            rows, rest = np.flatnonzero(self.fold == each), np.flatnonzero(self.fold != each)
            fitted = Regression.fit(self.inner[each][rest][:, columns], lengths[rest], is_model[rest])
            scores[rows] = fitted.score(self.own[rows][:, columns], lengths[rows])
        return scores


def _cross_fit(read: _Read, fold: Ints, folds: int, advance: Advance) -> _CrossFitted:
    texts = len(fold) // 2
    inner, own = np.empty((folds, len(fold), len(FEATURES))), np.empty((len(fold), len(FEATURES)))
    for one, other in combinations(range(folds), 2):
        likelihood = _likelihood(read, (fold != one) & (fold != other))
        for left_out, asked in ((one, other), (other, one)):
            rows = np.flatnonzero(fold == asked)
            inner[left_out, rows] = read.take(rows).features(likelihood)
        advance(texts)
    for each in range(folds):
        rows = np.flatnonzero(fold == each)
        own[rows] = read.take(rows).features(_likelihood(read, fold != each))
        advance(texts)
    return _CrossFitted(read, fold, inner, own)


def _cross_calibrated(scores: Floats, read: _Read, fold: Ints) -> Floats:
    """The log likelihood ratio of each text by a calibration to the other folds, (texts,)."""
    llr = np.empty(len(scores))
    for each in np.unique(fold):
        rest = fold != each
        weights = even(read.is_model[rest], bands(read.lengths[rest]))
        found = calibrate(scores[rest], read.lengths[rest], read.is_model[rest], weights)
        llr[~rest] = found(scores[~rest], read.lengths[~rest])
    return llr


# -- how well it does


def _report(labelled: Labelled, read: _Read, llr: Floats) -> dict[str, Any]:
    texts = len(labelled.texts)
    whole = slice(0, texts)
    is_model, of_whole = read.is_model[whole], llr[whole]
    weights = even(is_model, bands(read.lengths[whole]))
    bins = reliability(logistic(of_whole), is_model, weights)
    names = np.array([name or "" for name in labelled.generators])
    by_generator = [
        {"generator": name or None, **_measured(of_whole, is_model, (names == name) | ~is_model)}
        for name in sorted(set(names[is_model].tolist()))
    ]
    band = bands(read.lengths)
    by_length = [
        {"words": _band_name(number), **_measured(llr, read.is_model, band == number)}
        for number in np.unique(band).tolist()
    ]
    return {
        "texts": {"human": int((~is_model).sum()), "model": int(is_model.sum())},
        "overall": measured(of_whole, is_model, weights) | {"ece": calibration_error(bins)},
        "by_generator": by_generator,
        "by_length": by_length,
        "bins": bins,
        "roc": roc(of_whole, is_model),
    }


def _without_heaviest(fitted: _CrossFitted, regression: Regression, texts: int) -> dict[str, Any]:
    """The feature that weighs most, and how well texts are told apart without it: it may be one collection's habit."""
    feature = next(iter(regression.of_features()))
    scores = fitted.scores(np.flatnonzero(np.array(FEATURES) != feature))[:texts]
    return {"feature": feature, "auc_without": auc(scores, fitted.read.is_model[:texts])}


def _measured(llr: Floats, is_model: Flags, held: Flags) -> dict[str, Any]:
    """What `measured` says of some texts, and how far from zero their ratios are on average."""
    nothing = np.zeros(int(held.sum()), np.int64)
    told = measured(llr[held], is_model[held], even(is_model[held], nothing))
    return told | {"mean_llr": float(np.abs(llr[held]).mean()) if held.any() else None}


def _band_name(number: int) -> str:
    low, high = (0, *LENGTHS)[number], (*LENGTHS, None)[number]
    return f"{low}–{high - 1}" if high else f"{low} and more"


def _unseen_generators(
    labelled: Labelled, read: _Read, fold: Ints, folds: int, advance: Advance
) -> list[dict[str, Any]]:
    """How well each generator is told from humans by what was trained without any text of it.

    The human texts that it is told from are those of one fold, which are left out too, as is what shares a group with
    one of them.
    """
    names = np.array([name or "" for name in labelled.generators])
    known, counts = np.unique(names[labelled.is_model & (names != "")], return_counts=True)
    if len(known) < 2:
        return []
    largest = known[np.argsort(-counts, kind="stable")][:MOST_GENERATORS].tolist()
    groups = np.array(labelled.groups, object)
    rows = []
    for number, name in enumerate(largest):
        asked = (names == name) | (~labelled.is_model & (fold == number % folds))
        rest = ~asked & ~np.isin(groups, groups[~labelled.is_model & asked])
        advance(len(fold))
        if min((labelled.is_model & rest).sum(), (~labelled.is_model & rest).sum()) < LEAST_TEXTS:
            continue
        halves = _dealt(groups[rest].tolist(), labelled.is_model[rest], 2, np.random.default_rng(number))
        llr = _llr_without(read, halves, asked, rest)
        rows.append({"generator": name, **_measured(llr, labelled.is_model[asked], np.ones(len(llr), np.bool_))})
    return rows


def _llr_without(read: _Read, halves: Ints, asked: Flags, rest: Flags) -> Floats:
    """The ratios of some texts by a detector that is trained on others alone, which are dealt to two halves."""
    held = np.flatnonzero(np.concatenate([rest, rest]))
    learnt = read.take(held)
    half = np.concatenate([halves, halves])
    features = np.empty((len(held), len(FEATURES)))
    for each in (0, 1):
        rows = np.flatnonzero(half == each)
        features[rows] = learnt.take(rows).features(_likelihood(learnt, half != each))
    scores = np.empty(len(held))
    for each in (0, 1):
        rows, others = half == each, half != each
        fitted = Regression.fit(features[others], learnt.lengths[others], learnt.is_model[others])
        scores[rows] = fitted.score(features[rows], learnt.lengths[rows])
    weights = even(learnt.is_model, bands(learnt.lengths))
    calibration = calibrate(scores, learnt.lengths, learnt.is_model, weights)
    regression = Regression.fit(features, learnt.lengths, learnt.is_model)
    judged = read.take(np.flatnonzero(asked))
    likelihood = _likelihood(learnt, np.ones(len(held), np.bool_))
    return calibration(regression.score(judged.features(likelihood), judged.lengths), judged.lengths)
