"""Curation: curators see strings alone, what they say is kept, and a curated mix is drawn by that and nothing else."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from provenance.detection import Seeker, Seekers
from provenance.detector_training import TooFewTexts
from provenance.errors import ProvError
from provenance.origin import Origin
from provenance.watermark import find_scheme
from registry import Declared, MixSpec, Registry
from registry.matching import matching
from registry.mix import Stratum, allocate
from registry.where import Name, Where
from trainer.curation import (
    CANNOT_TELL,
    Attribution,
    Curation,
    Judged,
    Labels,
    Oracle,
    RanDry,
    Retrieval,
    Watermark,
    field_of,
    judge_mix,
    make_curator,
    shares,
    train_on,
)
from trainer.testbed import Floats

WORDS = [f"w{number}" for number in range(512)]
ALL = MixSpec(strata=(Stratum(where=Where.parse("bytes > 0"), share=1),), mixed="mixed", unknown="unknown")


def prose(texts: int, seed: int = 0, words: int = 60) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, words)) for _ in range(texts)]


def take_in(held: Registry, texts: list[str], **declared: Any) -> None:
    held.add([{"id": str(number), "text": text} for number, text in enumerate(texts)], Declared(**declared))


@pytest.fixture
def pool(corpus: Registry) -> Registry:
    """Twenty human texts, thirty of a model, and ten of which nobody knows."""
    take_in(corpus, prose(20, 0), origin=Origin.HUMAN, source="people")
    take_in(corpus, prose(30, 1), origin=Origin.MODEL, generator="gpt", generation=1, source="written")
    take_in(corpus, prose(10, 2), source="found")
    return corpus


class By:
    """A curator that says of each text what it is told to."""

    sees_origins: ClassVar[bool] = False

    def __init__(self, says: dict[str, float], name: str = "hand") -> None:
        self.says, self.name = says, name

    def judge(self, texts: Any, origins: Any = None) -> Floats:
        assert origins is None
        return np.array([self.says[text] for text in texts])


# -- curators


def test_labels_believe_what_is_declared_and_cannot_tell_where_nothing_is() -> None:
    assert Labels().judge(list("abcd"), ["human", "model", "mixed", "unknown"]).tolist() == [0, 1, 1, CANNOT_TELL]


def test_an_oracle_errs_as_often_as_it_is_told_to_and_always_alike() -> None:
    texts = [str(number) for number in range(20_000)]
    origins = ["human", "model"] * 10_000
    said = Oracle(tpr=0.8, fpr=0.1).judge(texts, origins)
    assert said[1::2].mean() == pytest.approx(0.8, abs=0.02)
    assert said[::2].mean() == pytest.approx(0.1, abs=0.02)
    again = Oracle(tpr=0.8, fpr=0.1).judge(texts[::-1], origins[::-1])[::-1]
    assert (said == again).all()
    assert (said != Oracle(tpr=0.8, fpr=0.1, seed=1).judge(texts, origins)).any()
    assert Oracle().judge(texts, origins).tolist() == Labels().judge(texts, origins).tolist()


def seekers(*secrets: int) -> Seekers:
    """What looks for marks of kgw in texts of which each word is a token."""
    words = Tokenizer(models.WordLevel({word: token for token, word in enumerate(WORDS)}, unk_token="w0"))  # noqa: S106
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    found = [Seeker(f"k{secret:012x}", find_scheme("kgw", {}), (secret,), "ab" * 32, {}) for secret in secrets]
    return Seekers(found, {"ab" * 32: words.to_str()})


def marked(write: Any, secret: int, texts: int) -> list[str]:
    tokens = write(find_scheme("kgw", {}), (secret,), texts, 120, np.random.default_rng(0))
    return [" ".join(WORDS[token] for token in text) for text in tokens]


def test_a_watermark_tells_what_its_keys_marked_and_of_one_word_it_cannot(write: Any) -> None:
    found = Watermark(seekers(1, 2))
    texts = [*marked(write, 1, 20), *marked(write, 2, 20)]
    assert found.judge(texts).mean() > 0.95
    assert found.judge(prose(300, words=120)).mean() < 0.03
    assert Watermark(seekers(3)).judge(texts).mean() < 0.2
    assert found.judge(["w1", ""]).tolist() == [CANNOT_TELL, CANNOT_TELL]
    assert found.judge([]).shape == (0,)


def test_retrieval_finds_copies_whole_cut_and_edited_of_what_is_registered_alone(pool: Registry) -> None:
    rng = np.random.default_rng(0)
    written = prose(30, 1)
    cut = [" ".join(text.split()[:36]) for text in written]
    edited = [" ".join(word if rng.random() > 0.05 else "w0" for word in text.split()) for text in written]
    curator = Retrieval(pool, Where.equals("source", "written"))
    assert curator.judge([*written, *cut]).mean() == 1
    assert curator.judge(edited).mean() == 1
    assert curator.judge([f"{written[0]} {' '.join(prose(4, 9))}"]).tolist() == [0]
    assert curator.judge([*prose(20, 0), *prose(20, 7)]).sum() == 0
    assert curator.judge([""]).tolist() == [CANNOT_TELL]


def test_a_detector_that_learnt_from_others_tells_texts_apart() -> None:
    human = prose(80, 0)
    model = [" ".join(["w1 w2 w3 w4"] * 8 + text.split()[:20]) for text in prose(80, 1)]
    curator = Attribution(train_on(human[:60], model[:60]))
    said = curator.judge([*human[60:], *model[60:], " "])
    assert said[:20].mean() < 0.2
    assert said[20:40].mean() > 0.8
    assert said[40] == CANNOT_TELL
    surer = Attribution(curator.detector, prior=0.9).judge(human[60:])
    assert (surer > said[:20]).all()
    with pytest.raises(TooFewTexts):
        train_on(human[:10], model[:10])


def test_names_tell_curators_apart_and_stay_the_same() -> None:
    watermarks = [Watermark(seekers(1)), Watermark(seekers(2)), Watermark(seekers(1), 0.05), Watermark(seekers(1, 2))]
    assert len({curator.name for curator in watermarks}) == 4
    assert Watermark(seekers(2, 1)).name == watermarks[3].name
    assert Oracle(0.8, 0.1).name == "oracle 6e9a08d2"  # stands in registries, so that it never changes


# -- what they say is kept


def test_what_is_said_is_kept_in_one_act_and_said_again_adds_nothing(pool: Registry) -> None:
    drawn = pool.mix(ALL)
    before = len(pool.list("batches"))
    told = judge_mix(pool, Oracle(fpr=0.5), drawn.mix)
    assert len(pool.list("batches")) == before + 1
    head = pool.head()
    assert judge_mix(pool, Oracle(fpr=0.5), drawn.mix) == told
    assert pool.head() == head
    assert (told.human, told.model, told.model_found, told.untold) == (20, 30, 30, 10)
    assert 0 < told.human_lost < 20
    assert pool.verify().holds


def test_a_curator_that_sees_no_origins_is_given_none(pool: Registry) -> None:
    texts = [text for batch in pool.texts(pool.mix(ALL).mix) for text in batch.column("text").to_pylist()]
    told = judge_mix(pool, By(dict.fromkeys(texts, 0.2)), pool.mix(ALL).mix)
    assert (told.human_lost, told.model_found) == (0, 0)


def test_rates_are_of_what_there_was() -> None:
    told = Judged.of(np.array([0, 1, 1, 0, 0.5]), ["human", "human", "model", "mixed", "unknown"], 0.5)
    assert told == Judged(human=2, human_lost=1, model=2, model_found=1, untold=1)
    assert (told.tpr, told.fpr) == (0.5, 0.5)
    nothing = Judged(0, 0, 0, 0, 0)
    assert (nothing.tpr, nothing.fpr) == (1, 0)


# -- what a model learns from


def drawn_by(held: Registry, curation: Curation, p: dict[str, float]) -> Any:
    judge_mix(held, By(p), held.mix(ALL).mix)
    spec = curation.spec("p_model by hand", Where.parse("bytes > 0"), 3, lambda where: matching(held, where))
    return held.mix(spec)


def test_what_is_judged_human_is_drawn_once_whatever_it_is(pool: Registry) -> None:
    texts = [*prose(20, 0), *prose(30, 1), *prose(10, 2)]
    p = {text: (0.49 if number % 2 else 0.5) for number, text in enumerate(texts)}
    drawn = drawn_by(pool, Curation(curation="watermark"), p)
    assert {row["origin"]: row["documents"] for row in drawn.composition} == {"human": 10, "model": 15, "unknown": 5}
    named = frozenset[str]().union(*(stratum.where.names for stratum in drawn.spec.strata))
    assert named == {"bytes", str(Name("p_model by hand"))}


def test_documents_are_drawn_by_weight_and_no_more_often_than_they_may_be(pool: Registry) -> None:
    p = dict.fromkeys(prose(20, 0), 0.0) | dict.fromkeys(prose(30, 1), 0.97) | dict.fromkeys(prose(10, 2), 0.2)
    drawn = drawn_by(pool, Curation(curation="attribution", exponent=10, max_repeats=3), p)
    by_origin = {row["origin"]: row["documents"] for row in drawn.composition}
    weights = {"human": 20 * 0.975**10, "unknown": 10 * 0.775**10}
    assert by_origin == {"human": 60, "unknown": round(90 * weights["unknown"] / sum(weights.values()))}
    text = [text for batch in pool.texts(drawn.mix) for text in batch.column("text").to_pylist()]
    assert set(Counter(text).values()) == {1, 3}


@pytest.mark.parametrize("exponent", [None, 1000])
def test_a_mix_that_ran_dry_is_told_in_a_line_and_nothing_is_drawn(pool: Registry, exponent: float | None) -> None:
    texts = [*prose(20, 0), *prose(30, 1), *prose(10, 2)]
    mixes = len(pool.list("mixes"))
    curation = Curation(curation="retrieval", exponent=exponent, draws=1e-3 if exponent else 1.5)
    with pytest.raises(RanDry, match="of 60 documents none is judged human") as error:
        drawn_by(pool, curation, dict.fromkeys(texts, 1.0))
    assert "\n" not in str(error.value)
    assert len(pool.list("mixes")) == mixes + 1
    assert pool.verify().holds


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20))
def test_shares_give_exactly_the_quotas_that_they_are_of(quotas: list[int]) -> None:
    strata = [
        Stratum(where=Where.parse(f"bytes = {number}"), share=share) for number, share in enumerate(shares(quotas))
    ]
    assert allocate(MixSpec(strata=tuple(strata)), sum(quotas)) == quotas


# -- who is asked


@pytest.mark.parametrize(
    ("kind", "words"), [("watermark", "language:key=NAME"), ("attribution", "prov attribute --train")]
)
def test_a_detector_and_a_key_have_to_be_there(corpus: Registry, kind: Any, words: str) -> None:
    with pytest.raises(ProvError, match=words):
        make_curator(Curation(curation=kind), corpus, None, "x", 0)


def test_an_arm_looks_among_what_its_own_models_wrote(corpus: Registry) -> None:
    one, other = (make_curator(Curation(curation="retrieval"), corpus, None, source, 0) for source in "ab")
    assert field_of(one) != field_of(other)


@pytest.mark.parametrize(
    ("given", "is_judged"),
    [
        ({}, False),
        ({"curation": "labels"}, False),
        ({"curation": "oracle"}, False),
        ({"curation": "oracle", "tpr": 0.9}, True),
        ({"curation": "oracle", "exponent": 10}, True),
        ({"curation": "watermark"}, True),
        ({"curation": "attribution", "prior": 0.1}, True),
    ],
)
def test_somebody_is_asked_where_the_labels_do_not_say_it_all(given: dict[str, Any], is_judged: bool) -> None:
    assert Curation(**given).is_judged == is_judged


def test_lookup_among_some_documents_finds_those_alone(pool: Registry) -> None:
    both = [{"text": prose(20, 0)[0]}, {"text": prose(30, 1)[0]}]
    tables = list(pool.lookup_rows(both, None, among=Where.equals("source", "written")))
    assert tables[0].column("match").to_pylist() == ["none", "exact"]
