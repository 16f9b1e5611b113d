"""What a text is and where it comes from: words, digests and generations by the definitions of the design."""

import hashlib

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from provenance.origin import (
    HUMAN_GENERATION,
    UNKNOWN_GENERATION,
    Generation,
    Origin,
    canonical,
    count_words,
    derive_generation,
    derive_model_generation,
    document_digest,
    highest,
    model_digest,
    run_digest,
    text_digest,
)

# PropList.txt of Unicode: the property White_Space, unchanged since version 6.3.
WHITE_SPACE = {0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, *range(9, 14), *range(0x2000, 0x200B)}
SEPARATORS = "\x1c\x1d\x1e\x1f\x0b\x85\xa0\u200b\u2028\u3000 \n"

texts = st.text(st.characters(exclude_categories=["Cs"]))
digests = st.binary(min_size=32, max_size=32)
generations = st.builds(Generation, st.integers(0, 9), st.booleans()) | st.just(UNKNOWN_GENERATION)
model_origins = st.sampled_from([Origin.MODEL, Origin.MIXED])


def test_words_are_parted_by_unicode_white_space_and_by_no_other_codepoint() -> None:
    found = {code for code in range(0x110000) if count_words(f"a{chr(code)}b") == 2}
    assert found == WHITE_SPACE


@given(st.text(st.sampled_from("ab" + SEPARATORS)))
def test_words_are_maximal_runs_without_white_space(text: str) -> None:
    in_word = [ord(char) not in WHITE_SPACE for char in text]
    starts = sum(here and not before for before, here in zip([False, *in_word], in_word, strict=False))
    assert count_words(text) == starts


@given(digests, texts | st.none(), digests | st.none(), texts)
def test_a_document_digest_is_taken_of_the_rfc_8785_form(
    text: bytes, source: str | None, run: bytes | None, item: str
) -> None:
    parts = ["prov-document-1", text.hex(), source, run.hex() if run else None, item]
    assert document_digest(text, source, run, item) == hashlib.sha256(rfc8785.dumps(parts)).digest()


@given(st.lists(st.tuples(digests, texts | st.none(), digests | st.none(), texts), max_size=4))
def test_two_documents_have_one_digest_only_if_all_that_identifies_them_is_the_same(
    documents: list[tuple[bytes, str | None, bytes | None, str]],
) -> None:
    assert len({document_digest(*document) for document in documents}) == len(set(documents))


def test_digests_never_change_between_versions() -> None:
    text = text_digest("know where it came from")
    model = model_digest("gpt", generation=1)
    assert [
        text.hex()[:16],
        document_digest(text, "wiki", None, "a").hex()[:16],
        model.hex()[:16],
        run_digest("generate", model, spec={"temperature": 0.5}, seed=1).hex()[:16],
    ] == ["6ed63279d662425e", "fb70ded8689d8e65", "d3fac4bb44aac775", "69f215b961a33ee4"]


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb"])
def test_a_lone_surrogate_has_no_digest(text: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        text_digest(text)


@given(st.dictionaries(texts, st.integers(-9, 9)))
def test_a_spec_has_one_digest_in_whatever_order_its_keys_stand(spec: dict[str, int]) -> None:
    backwards = dict(reversed(spec.items()))
    assert model_digest("m", spec=spec) == model_digest("m", spec=backwards)
    assert canonical(spec) == canonical(backwards)


def test_a_model_is_another_one_with_another_generation_base_mix_spec_or_seed() -> None:
    known = [{}, {"generation": 1}, {"base": b"b"}, {"mix": b"b"}, {"spec": 1}, {"seed": 1}]
    assert len({model_digest("m", **what) for what in known} | {model_digest("n")}) == len(known) + 1  # type: ignore[arg-type]


@given(st.none() | st.integers(0, 9), st.none() | generations, st.lists(generations))
def test_human_text_is_generation_zero_and_unknown_text_has_none_whatever_else_is_said(
    declared: int | None, model: Generation | None, parents: list[Generation]
) -> None:
    assert derive_generation(Origin.HUMAN, declared, model, parents) == HUMAN_GENERATION
    assert derive_generation(Origin.UNKNOWN, declared, model, parents) == UNKNOWN_GENERATION


@given(model_origins, st.none() | generations, st.lists(generations))
def test_what_a_model_wrote_is_never_below_its_model_nor_what_it_edits(
    origin: Origin, model: Generation | None, parents: list[Generation]
) -> None:
    known = [held.number for held in [model or UNKNOWN_GENERATION, *parents] if held.number is not None]
    assert derive_generation(origin, None, model, parents).number == max(known, default=None)


@given(model_origins, st.none() | generations, st.lists(generations))
def test_a_generation_is_a_lower_bound_as_soon_as_something_behind_it_is_not_known(
    origin: Origin, model: Generation | None, parents: list[Generation]
) -> None:
    derived = derive_generation(origin, None, model, parents)
    assert derived.exact == (model is not None and model.exact and all(parent.exact for parent in parents))


@given(st.lists(generations))
def test_the_highest_does_not_depend_on_the_order(held: list[Generation]) -> None:
    assert highest(held) == highest(reversed(held))


@pytest.mark.parametrize(
    ("mix", "base", "model"),
    [
        (HUMAN_GENERATION, None, "1"),
        (Generation(2, True), None, "3"),
        (Generation(1, True), Generation(5, True), "5"),
        (Generation(1, True), UNKNOWN_GENERATION, "≥2"),
        (UNKNOWN_GENERATION, None, "≥1"),
        (Generation(2, False), Generation(1, True), "≥3"),
    ],
)
def test_a_model_is_one_above_what_it_learnt_from_or_as_high_as_its_base(
    mix: Generation, base: Generation | None, model: str
) -> None:
    assert str(derive_model_generation(mix, base)) == model
