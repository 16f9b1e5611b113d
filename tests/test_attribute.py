"""Attributing in a registry: declarations stay, evidence is found and itemised, and only news is written."""

import html.parser
import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from running import Prov, entry_point

from provenance import attribution
from provenance.attribution import Attribution
from provenance.detector import BrokenDetector
from provenance.detector_training import TooFewTexts
from provenance.errors import NotFound, ProvError
from provenance.ngram import NgramModel
from provenance.origin import Origin
from registry import Declared, Registry, Statement
from registry import attribute as attribute_module
from registry.attribute import attributed_documents, detectors, find_detector
from registry.near import Nearness
from registry.verify import verify

HUMAN = Declared(origin=Origin.HUMAN, source="books")
MODEL = Declared(origin=Origin.MODEL, generator="bigrams", generation=1)
UNKNOWN = Declared(origin=Origin.UNKNOWN, source="crawl")
NEAR = Nearness(0.8, "either")


@cache
def paragraphs() -> list[str]:
    held = {" ".join(part.split()) for topic in topics.values() for part in topic.split("\n\n")}
    return sorted(text for text in held if 25 < len(text.split()) < 200)


@cache
def written(count: int, seed: int = 7) -> list[str]:
    """What a small model wrote that learnt from paragraphs of the end."""
    model = NgramModel.fit(paragraphs()[-300:], 2)
    texts = model.sample(3 * count, np.random.default_rng(seed), max_words=80)
    return [text for text in texts if len(text.split()) > 25][:count]


def rows_of(name: str, texts: list[str], **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"{name}{number}", "text": text, **more} for number, text in enumerate(texts)]


@pytest.fixture(scope="session")
def trained_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry of 70 human texts, 70 of a model and 20 of each that nobody knows of, and a detector: copy it."""
    path = tmp_path_factory.mktemp("trained") / "trained.prov"
    with Registry.create(path) as held:
        held.add(rows_of("h", paragraphs()[:70]), HUMAN)
        held.add(rows_of("m", written(70)), MODEL)
        unknown = rows_of("uh", paragraphs()[70:90]) + rows_of("um", written(90)[70:])
        held.add(unknown, UNKNOWN)
        held.train_detector(folds=3)
    return path


@pytest.fixture
def trained(trained_file: Path, tmp_path: Path) -> Iterator[Registry]:
    with Registry.open(shutil.copy(trained_file, tmp_path / "trained.prov")) as held:
        yield held


def attributions(held: Registry) -> dict[str, list[tuple[float, Attribution]]]:
    """All that is attributed to each document, oldest first, by its id."""
    rows = held.connection.sql(
        "SELECT item, p_model, evidence::VARCHAR FROM attribution JOIN document USING (document_id) "
        "ORDER BY attribution.batch_id"
    ).fetchall()
    told: dict[str, list[tuple[float, Attribution]]] = {}
    for item, p_model, evidence in rows:
        told.setdefault(item, []).append((p_model, Attribution.model_validate_json(evidence)))
    return told


def kinds_of(held: Registry, item: str) -> dict[str, float]:
    """The evidence in force about a document: what each kind weighs."""
    return {evidence.kind: evidence.llr for evidence in attributions(held)[item][-1][1].items}


# -- what is written


def test_unknown_documents_alone_are_attributed_and_what_was_declared_stays(trained: Registry) -> None:
    before = trained.connection.sql("SELECT document_id, origin, generation FROM document ORDER BY ALL").fetchall()
    declared = trained.connection.sql("SELECT * FROM declaration ORDER BY ALL").fetchall()
    found = trained.attribute(NEAR)
    assert (found.documents, found.changed) == (40, 40)
    assert set(attributions(trained)) == {f"u{side}{number}" for side in "hm" for number in range(20)}
    after = trained.connection.sql("SELECT document_id, origin, generation FROM document ORDER BY ALL").fetchall()
    assert after == before
    assert trained.connection.sql("SELECT * FROM declaration ORDER BY ALL").fetchall() == declared


def test_what_is_kept_is_what_its_evidence_comes_to(trained: Registry) -> None:
    trained.attribute(NEAR, prior=0.2)
    for [(p_model, told)] in attributions(trained).values():
        assert p_model == told.p_model
        assert told.prior == 0.2


def test_a_detector_tells_most_of_what_nobody_declared(trained: Registry) -> None:
    found = trained.attribute(NEAR)
    told = {item: held[-1][0] for item, held in attributions(trained).items()}
    human, model = ([p for item, p in told.items() if item.startswith(side)] for side in ("uh", "um"))
    assert np.mean([m > h for m in model for h in human]) > 0.8
    assert found.expected == pytest.approx(sum(told.values()))
    assert sum(row["documents"] for row in found.bands) == 40


def test_what_has_not_changed_gets_no_new_row_and_no_batch(trained: Registry) -> None:
    trained.attribute(NEAR)
    head = trained.head()
    again = trained.attribute(NEAR)
    assert (again.documents, again.changed) == (40, 0)
    assert trained.head() == head
    trained.add(rows_of("new", paragraphs()[90:91]), UNKNOWN)
    assert trained.attribute(NEAR).changed == 1
    assert trained.attribute(NEAR, prior=0.3).changed == 41
    assert {len(held) for item, held in attributions(trained).items() if item.startswith("u")} == {2}


def test_one_act_is_one_link_of_the_chain_and_all_of_it_verifies(trained: Registry) -> None:
    links = len(trained.list("batches"))
    trained.attribute(NEAR)
    newest = trained.list("batches")[0]
    assert len(trained.list("batches")) == links + 1
    assert (newest["kind"], newest["documents"]) == ("attribute", 40)
    assert verify(trained).findings == []
    trained.connection.sql("UPDATE attribution SET p_model = 0.5")
    assert verify(trained).findings != []


def test_a_dry_run_tells_the_same_and_keeps_nothing(trained: Registry) -> None:
    head = trained.head()
    tried = trained.attribute(NEAR, dry_run=True)
    listed = attributed_documents(trained, None)
    assert trained.head() == head
    assert attributions(trained) == {}
    done = trained.attribute(NEAR)
    assert (tried.changed, tried.bands, tried.kinds) == (done.changed, done.bands, done.kinds)
    assert listed == attributed_documents(trained, None)
    assert [row["p_model"] for row in listed] == sorted((row["p_model"] for row in listed), reverse=True)


def test_a_filter_says_which_documents_are_meant(trained: Registry) -> None:
    found = trained.attribute(NEAR, where="id IN ('uh3', 'um4', 'h1')")
    assert found.documents == 2  # h1 is known
    assert set(attributions(trained)) == {"uh3", "um4"}


@pytest.mark.parametrize("part_bytes", [1, 3_000])
def test_parts_of_any_size_come_to_the_same(
    trained: Registry, monkeypatch: pytest.MonkeyPatch, part_bytes: int
) -> None:
    seen: list[int] = []
    trained.attribute(NEAR, dry_run=True)
    whole = attributed_documents(trained, None)
    monkeypatch.setattr(attribute_module, "PART_BYTES", part_bytes)
    trained.attribute(NEAR, dry_run=True, progress=seen.append)
    assert attributed_documents(trained, None) == whole
    assert sum(seen) == 40
    assert len(seen) > 2


def test_nothing_unknown_is_nothing_to_do(corpus: Registry) -> None:
    corpus.add(rows_of("h", paragraphs()[:3]), HUMAN)
    head = corpus.head()
    found = corpus.attribute(NEAR)
    assert (found.documents, found.changed, found.expected, found.bands, found.kinds) == (0, 0, 0, [], {})
    assert corpus.head() == head


# -- each kind of evidence


def test_the_same_text_and_near_ones_speak_for_the_origin_that_they_have(corpus: Registry) -> None:
    human, model = paragraphs()[:3], written(3)
    corpus.add(rows_of("h", human), HUMAN)
    corpus.add(rows_of("m", model), MODEL)
    longer = human[1] + " " + " ".join(paragraphs()[10].split()[:4])
    corpus.add(
        [
            *rows_of("same", [human[0], model[0], "too short"]),
            *rows_of("near", [longer, "More. " + model[1]]),
            *rows_of("other", paragraphs()[20:21]),
        ],
        UNKNOWN,
    )
    corpus.add(rows_of("short", ["too short"]), HUMAN)
    found = corpus.attribute(Nearness(0.6, "either"))
    assert found.kinds == {"exact": 2, "near": 2}
    assert kinds_of(corpus, "same0") == {"exact": pytest.approx(-attribution.EXACT, abs=1e-4)}
    assert kinds_of(corpus, "same1") == {"exact": pytest.approx(attribution.EXACT, abs=1e-4)}
    assert kinds_of(corpus, "near0") == {"near": pytest.approx(-attribution.NEAR, abs=1e-4)}
    assert kinds_of(corpus, "near1") == {"near": pytest.approx(attribution.NEAR, abs=1e-4)}
    assert kinds_of(corpus, "same2") == kinds_of(corpus, "other0") == {}
    says = attributions(corpus)["near1"][-1][1].items[0].says
    assert "m1" in says
    assert "by bigrams" in says


@pytest.mark.parametrize("human_first", [True, False])
def test_a_text_that_holds_a_human_one_is_not_near_to_it_but_one_that_stands_in_it_is(
    corpus: Registry, human_first: bool
) -> None:
    human = " ".join(paragraphs()[:6])
    part = " ".join(human.split()[20:120])
    quoting = " ".join([*paragraphs()[100:106], human, *paragraphs()[110:125]])
    unknown = [*rows_of("part", [part]), *rows_of("quoting", [quoting])]
    acts = [(rows_of("h", [human]), HUMAN), (unknown, UNKNOWN)]
    for rows, said in acts if human_first else reversed(acts):
        corpus.add(rows, said)
    corpus.attribute(NEAR)
    assert kinds_of(corpus, "part0").keys() == {"near"}
    assert kinds_of(corpus, "quoting0") == {}


def test_a_text_of_both_origins_says_nothing_either_way(corpus: Registry) -> None:
    corpus.add(rows_of("h", paragraphs()[:1]), HUMAN)
    corpus.add(rows_of("m", paragraphs()[:1]), MODEL)
    corpus.add(rows_of("u", paragraphs()[:1]), UNKNOWN)
    corpus.attribute(NEAR)
    [(p_model, told)] = attributions(corpus)["u0"]
    assert len(told.items) == 2
    assert p_model == pytest.approx(0.5)


def test_a_date_before_the_models_speaks_for_a_human(corpus: Registry) -> None:
    corpus.add(rows_of("old", paragraphs()[:1], created="2012-05-06"), UNKNOWN)
    corpus.add(rows_of("late", paragraphs()[1:2], created="2023-05-06"), UNKNOWN)
    corpus.attribute()
    assert kinds_of(corpus, "old0").keys() == {"date"}
    assert attributions(corpus)["old0"][-1][0] == pytest.approx(1 / 1000, rel=1e-3)
    assert kinds_of(corpus, "late0") == {}


def test_declarations_that_are_not_in_force_weigh_little_and_what_was_taken_back_nothing(corpus: Registry) -> None:
    corpus.add(rows_of("a", paragraphs()[:3]), HUMAN)

    def declare(item: str, origin: Origin, by: str, precedence: int = 0) -> None:
        corpus.declare(Statement(origin=origin, by=by, precedence=precedence), where=f"id = '{item}'")

    declare("a0", Origin.UNKNOWN, "auditor")
    declare("a1", Origin.UNKNOWN, "auditor", 5)
    declare("a2", Origin.MODEL, "crawler")
    declare("a2", Origin.UNKNOWN, "crawler")
    corpus.attribute()
    weighs = attribution.DECLARED
    assert kinds_of(corpus, "a0") == {"declaration": pytest.approx(-weighs["superseded"], abs=1e-4)}
    assert kinds_of(corpus, "a1") == {"declaration": pytest.approx(-weighs["outranked"], abs=1e-4)}
    assert kinds_of(corpus, "a2") == {"declaration": pytest.approx(-weighs["superseded"], abs=1e-4)}
    assert [item.says for item in attributions(corpus)["a2"][-1][1].items] == [
        "declared human by whoever took it in, superseded"
    ]


def detect(held: Registry, item: str, **p_values: float | None) -> None:
    """Note what keys found, as detection does: one row a document and key."""
    document_id = held.connection.sql(f"SELECT document_id FROM document WHERE item = '{item}'").fetchall()[0][0]
    with held.batch("detect") as batch:
        known = {key for (key,) in held.connection.sql("SELECT key_id FROM watermark_key").fetchall()}
        for key in p_values.keys() - known:
            row = {"key_id": [key], "scheme": ["kgw"], "parameters": ["{}"], "tokenizer_digest": [b"t" * 32]}
            held.insert("watermark_key", pa.table({**row, "batch_id": [batch.batch_id]}))
        count = len(p_values)
        columns = {
            "document_id": pa.array([document_id] * count, pa.int64()),
            "key_id": pa.array(list(p_values)),
            "scored": pa.array([100] * count, pa.int64()),
            **{name: pa.array([None] * count, pa.float64()) for name in ("score", "z")},
            "p": pa.array(list(p_values.values()), pa.float64()),
            **{name: pa.array([None] * count, pa.int64()) for name in ("first_char", "last_char")},
            "batch_id": pa.array([batch.batch_id] * count, pa.int64()),
        }
        held.insert("detection", pa.table(columns))


def test_a_mark_speaks_for_a_model_by_its_smallest_p_over_all_keys(corpus: Registry) -> None:
    corpus.add(rows_of("a", paragraphs()[:4]), UNKNOWN)
    detect(corpus, "a0", one=1e-8, two=0.5)
    detect(corpus, "a1", one=0.3, two=0.02)
    detect(corpus, "a2", one=None)
    corpus.attribute()
    assert kinds_of(corpus, "a0")["detection"] == attribution.detected(1e-8, 2, "one").llr > 5
    assert kinds_of(corpus, "a1")["detection"] == attribution.detected(0.02, 2, "two").llr < 0
    assert kinds_of(corpus, "a2") == kinds_of(corpus, "a3") == {}  # too short to tell, and not looked at
    assert "one (kgw)" in attributions(corpus)["a0"][-1][1].items[0].says


def test_a_text_that_was_erased_is_judged_by_what_else_is_known(trained: Registry) -> None:
    trained.withdraw("um0", reason="asked", erase=True)
    trained.add(rows_of("old", paragraphs()[91:92], created="2001-01-01"), UNKNOWN)
    trained.attribute()
    assert kinds_of(trained, "um0") == {}
    assert kinds_of(trained, "old0").keys() == {"date", "detector"}


def test_without_fingerprints_near_ones_cannot_be_sought(tmp_path: Path) -> None:
    with Registry.create(tmp_path / "r.prov", fingerprint=None) as held:
        held.add(rows_of("u", paragraphs()[:2]), UNKNOWN)
        with pytest.raises(ProvError, match="prov fingerprint rebuild"):
            held.attribute(NEAR)
        assert held.attribute().changed == 2


# -- detectors


def test_a_detector_is_kept_in_the_chain_with_its_report(trained: Registry) -> None:
    [row] = detectors(trained)
    found = find_detector(trained)
    assert found is not None
    detector, report = found
    assert (row["name"], row["digest"]) == ("logistic", detector.digest.hex())
    assert report["texts"] == {"human": 70, "model": 70}
    assert report["by_generator"][0]["generator"] == "bigrams"
    assert verify(trained).findings == []
    trained.connection.sql("UPDATE detector SET report = '{}'")
    assert verify(trained).findings != []


def test_training_again_on_the_same_is_no_news_and_a_name_makes_another(trained: Registry) -> None:
    head = trained.head()
    assert not trained.train_detector(folds=3)["new"]
    assert trained.head() == head
    other = trained.train_detector("other", folds=3)
    assert other["new"]
    assert {row["name"] for row in detectors(trained)} == {"logistic", "other"}
    newest = trained.attribute(dry_run=True).detector
    assert newest is not None
    assert newest["digest"] == other["digest"]
    named = trained.attribute(dry_run=True, detector="logistic").detector
    assert named is not None
    assert named["name"] == "logistic"
    with pytest.raises(NotFound, match="no detector 'none': there is logistic, other"):
        trained.attribute(detector="none")


def labelled_texts(held: Registry, where: str | None = None, sample: int = 1_000) -> dict[str, list[Any]]:
    """What a detector would learn from."""
    attribute_module._labelled(held, where, 0, sample)
    rows: dict[str, list[Any]] = held.ask_table("labelled_texts", chars=20_000).to_pydict()
    return rows


def test_what_is_held_out_withdrawn_unknown_or_told_to_be_both_is_never_learnt_from(corpus: Registry) -> None:
    corpus.add(rows_of("h", paragraphs()[:8]), HUMAN)
    corpus.add(rows_of("m", [*written(4), paragraphs()[0]]), MODEL)
    corpus.add(rows_of("u", paragraphs()[20:22]), UNKNOWN)
    corpus.add(rows_of("x", paragraphs()[22:24]), Declared(origin=Origin.MIXED, generator="bigrams", generation=1))
    corpus.hold_out("test", where="id = 'h1'")
    corpus.withdraw("h2", reason="asked")
    corpus.add([{"id": "made", "text": paragraphs()[30], "prompt_of": "h1"}], MODEL)
    learnt = labelled_texts(corpus)
    assert set(learnt["text"]) == {*paragraphs()[3:8], *written(4)}
    assert set(labelled_texts(corpus, "id <> 'h3'")["text"]) == {*paragraphs()[4:8], *written(4)}


def test_of_a_text_with_a_prompt_the_rest_is_learnt_from_in_the_group_of_its_prompt(corpus: Registry) -> None:
    prompt, text = paragraphs()[:2]
    corpus.add(rows_of("h", [prompt]), HUMAN)
    parents = [{"id": "h0", "relation": "prompt", "prefix_chars": len(prompt)}]
    corpus.add([{"id": "answer", "text": f"{prompt}{text}", "parents": parents}], MODEL)
    learnt = labelled_texts(corpus)
    assert set(learnt["text"]) == {prompt, text}
    assert learnt["root"][0] == learnt["root"][1]


def test_a_sample_is_half_of_each_origin_and_grows_within_itself(trained: Registry) -> None:
    small, large = (labelled_texts(trained, sample=size) for size in (20, 60))
    assert sorted(small["is_model"]) == [False] * 10 + [True] * 10
    assert set(small["text"]) < set(large["text"])


def test_too_few_texts_of_one_origin_keep_nothing(corpus: Registry) -> None:
    corpus.add(rows_of("h", paragraphs()[:60]), HUMAN)
    head = corpus.head()
    with pytest.raises(TooFewTexts, match="there are 60 and 0 that may be used"):
        corpus.train_detector()
    assert corpus.head() == head


def test_a_detector_that_was_tampered_with_is_not_used(trained: Registry) -> None:
    trained.connection.sql("UPDATE detector SET content = content || '\\x00'::BLOB")
    with pytest.raises(BrokenDetector, match="not what its digest says"):
        trained.attribute()


# -- the command


@pytest.fixture
def prov(file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Prov:
    """Run `prov` on the registry of this test, by its real entry point but without the start of a process."""
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("PROV_DB", str(file))
    return entry_point(monkeypatch, capfd)


@pytest.fixture
def file(trained_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(trained_file, tmp_path / "r.prov"))


def test_the_command_tells_bands_and_kinds_and_show_tells_the_evidence(prov: Prov) -> None:
    told = json.loads(prov("attribute", "--json", "--all").stdout)
    assert (told["documents"], told["changed"], told["kinds"]["detector"]) == (40, 40, 40)
    assert len(told["listed"]) == 40
    again = prov("attribute", "--limit", "2")
    assert "0 attributed anew" in again.stdout
    assert "38 more documents" in again.stderr
    [shown] = json.loads(prov("show", "um1", "--json").stdout)
    listed = next(row for row in told["listed"] if row["id"] == "um1")
    assert shown["attribution"]["p_model"] == listed["p_model"]
    assert shown["attribution"]["evidence"] == listed["evidence"]
    assert f"p {listed['p_model']:.4g}" in prov("show", "um1").stdout
    [known] = json.loads(prov("show", "h1", "--json").stdout)
    assert known["attribution"] is None
    assert "attribution" not in prov("show", "h1").stdout


def test_without_a_detector_the_command_says_so_and_goes_on(prov: Prov, file: Path) -> None:
    with Registry.open(file) as held:
        held.connection.sql("DELETE FROM detector")
        head = held.head()
    assert "no detector to write a page about" in prov("attribute", "--report", "page.html", code=1).stderr
    with Registry.open(file) as held:
        assert held.head() == head
    done = prov("attribute")
    assert "no detector is held" in done.stderr
    assert "40 documents of unknown origin" in done.stdout


class Page(html.parser.HTMLParser):
    """What stands in a page: its tags, what they name, and whether each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.named: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.named += [value for name, value in attributes if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_shows_reliability_and_what_was_attributed(prov: Prov, file: Path) -> None:
    with Registry.open(file) as held:
        held.train_detector("<b>odd & bold</b>", folds=3)
    prov("attribute", "--report", "page.html")
    text = (file.parent / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.tags.count("svg") == 3
    assert not {"script", "link", "img"} & set(page.tags)
    assert page.named == []
    assert "&lt;b&gt;odd &amp; bold&lt;/b&gt;" in text
    assert "nan" not in text.lower().split()


def test_training_by_the_command_prints_its_report_and_writes_its_page(prov: Prov, file: Path) -> None:
    arguments = ["attribute", "--train", "--name", "mine", "--folds", "3", "--sample", "120", "--seed", "3"]
    done = prov(*arguments, "--report", "page.html")
    for wanted in ("detector mine", "60 human texts and 60 of models", "AUC", "TPR at 1% FPR", "ECE", "bigrams"):
        assert wanted in done.stdout
    assert "it goes by" in done.stderr
    assert (file.parent / "page.html").read_text(encoding="utf-8").count("<svg") == 2
    assert json.loads(prov(*arguments, "--json").stdout)["new"] is False


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--train", "--prior", "0.3"], "--prior is about attributing"),
        (["--train", "--dry-run"], "--dry-run is about attributing"),
        (["--train", "--all"], "--all is about attributing"),
        (["--folds", "3"], "--folds is about training"),
        (["--all", "--limit", "3"], "leave it out, or --limit"),
    ],
)
def test_options_that_do_not_go_together_are_a_line_of_usage(prov: Prov, arguments: list[str], line: str) -> None:
    assert line in prov("attribute", *arguments, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--detector", "none"], "no detector 'none': there is logistic"),
        (["--prior", "0"], "the prior is 0"),
        (["--where", "nothing = 1"], "nothing"),
        (["--train", "--name", " "], "needs a name"),
        (["--train", "--sample", "60"], "there are 30 and 30"),
        (["--report", "no/such/folder/page.html"], "no/such/folder"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_the_registry_as_it_was(
    prov: Prov, file: Path, arguments: list[str], line: str
) -> None:
    with Registry.open(file, read_only=True) as held:
        head = held.head()
    done = prov("attribute", *arguments, code=1)
    assert line in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("prov: ")
    with Registry.open(file, read_only=True) as held:
        assert held.head() == head


def test_the_page_never_takes_the_place_of_the_registry(prov: Prov, file: Path) -> None:
    assert "this very registry" in prov("attribute", "--report", str(file), code=1).stderr


def test_a_detector_of_another_registry_is_taken_over_whole_and_once(prov: Prov, file: Path, tmp_path: Path) -> None:
    blank = tmp_path / "blank.prov"
    with Registry.create(blank) as held:
        held.add(rows_of("uh", paragraphs()[70:90]) + rows_of("um", written(90)[70:]), UNKNOWN)
    asked = ("attribute", "--registry", str(blank), "--detector-from", str(file), "--exact", "--json")
    page = tmp_path / "page.html"
    told, again = json.loads(prov(*asked, "--report", str(page)).stdout), json.loads(prov(*asked).stdout)
    assert "<svg" in page.read_text(encoding="utf-8")
    with Registry.open(file, read_only=True) as there, Registry.open(blank, read_only=True) as here:
        [[digest, content]] = here.connection.sql("SELECT digest, content FROM detector").fetchall()
        assert there.connection.sql("SELECT digest, content FROM detector").fetchall() == [(digest, content)]
        assert here.verify().holds
    assert (told["changed"], told["kinds"]["detector"], again["changed"]) == (40, 40, 0)
    none = prov("attribute", "--registry", str(blank), "--detector-from", "nosuch.prov", code=1).stderr
    assert "no registry at nosuch.prov" in none
    with Registry.create(tmp_path / "empty.prov"):
        pass
    empty = prov("attribute", "--registry", str(blank), "--detector-from", str(tmp_path / "empty.prov"), code=1).stderr
    assert "empty.prov holds no detector" in empty
    both = prov("attribute", "--detector-from", str(file), "--dry-run", code=2).stderr
    assert "leave one out" in both
