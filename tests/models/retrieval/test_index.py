import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewheel.models.retrieval import Hit, Index, RetrievalError, fused, hard_negatives, reranked
from tunewheel.models.retrieval.ranking import best
from tunewheel.models.retrieval.words import terms

TEXTS = {
    "lost": "my card is gone, what now",
    "fee": "what does the card cost a year",
    "hours": "when does the branch open",
    "挂失": "银行卡丢了怎么挂失",
    "年费": "信用卡年费是多少",
    "both": "忘记密码 password reset",
}


class Letters:
    """Vectors of letter counts: a reader without a model."""

    def __init__(self, seed: int = 0) -> None:
        self.mix = np.random.default_rng(seed).normal(size=(997, 16)).astype(np.float32)

    def vectors(self, rows):
        return np.array([sum((self.mix[ord(c) % 997] for c in row["text"]), np.zeros(16)) for row in rows], np.float32)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=30), st.integers(0, 35))
def test_the_best_are_those_of_a_full_sort(scores, count):
    expected = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:count]
    assert best(np.array(scores), count).tolist() == expected


def test_search_by_vectors_is_exact():
    reader = Letters()
    texts = {f"t{i}": f"text {i * i} 文本{i % 7}" for i in range(200)}
    index = Index(texts, reader)
    queries = ["text 49", "文本3", "nothing of the kind"]
    vectors = reader.vectors({"text": t} for t in texts.values())
    for query, hits in zip(queries, index.search_all(queries, 12), strict=True):
        q = reader.vectors([{"text": query}])[0]
        cosines = vectors @ q / np.linalg.norm(vectors, axis=1) / np.linalg.norm(q)
        order = np.argsort(-cosines, kind="stable")[:12]
        assert [h.score for h in hits] == pytest.approx(cosines[order].tolist(), abs=1e-5)
        assert [h.text for h in hits] == [texts[h.id] for h in hits]


@pytest.mark.parametrize("how", ["vectors", "words", "hybrid"])
def test_adding_and_removing_is_as_building_anew(how):
    index = Index({"gone": "an old text", **TEXTS}, Letters())
    index.remove(["gone"])
    index.add({"fee": "卡费多少", "new": "how to close an account"})
    rest = {id: text for id, text in TEXTS.items() if id != "fee"}
    anew = Index({**rest, "fee": "卡费多少", "new": "how to close an account"}, Letters())
    assert index.ids == anew.ids and len(index) == 7 and "gone" not in index
    for query in ("close the account", "卡费"):
        assert index.search(query, 5, how) == anew.search(query, 5, how)
    assert index.search("卡费", 5, "words")[0].id == "fee"
    with pytest.raises(RetrievalError, match="no text 'gone'"):
        index.remove(["new", "gone"])
    assert "new" in index


def test_words_of_both_languages_are_found():
    index = Index(TEXTS)
    assert [hit.id for hit in index.search("the card COST", 1)] == ["fee"]
    assert index.search("卡丢了")[0].id == "挂失"
    assert index.search("年費", 3) and index.search("年费")[0].id == "年费"
    assert index.search("ＰＡＳＳＷＯＲＤ")[0].id == "both"
    assert index.search("zzz") == [] and index.search("…") == []
    assert Index({}).search("card") == [] and Index({"a": "…"}).search("card") == []
    assert terms("NLP模型 v2") == ["nlp", "模型", "模", "型", "v2"]


def test_a_fused_ranking_is_that_of_reciprocal_ranks():
    assert fused([["a", "b"], ["b", "c"]]) == [("b", 1 / 62 + 1 / 61), ("a", 1 / 61), ("c", 1 / 62)]
    index = Index(TEXTS, Letters())
    rankings = [[hit.id for hit in index.search("卡年费", 60, how)] for how in ("vectors", "words")]
    assert [(h.id, h.score) for h in index.search("卡年费", 6, "hybrid")] == fused(rankings)[:6]


def test_what_an_index_cannot_do_is_said():
    with pytest.raises(RetrievalError, match="has no vectors: give it a reader"):
        Index(TEXTS).search("card", how="vectors")
    with pytest.raises(RetrievalError, match="ask for vectors or for words"):
        Index(TEXTS).scores(["card"], "hybrid")


def test_a_missing_package_is_answered_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("tunewheel.models.retrieval.words.find_spec", lambda name: None)
    with pytest.raises(RetrievalError, match=r"pip install 'tunewheel\[match\]'"):
        Index(TEXTS).search("card")


def test_a_saved_index_finds_the_same(tmp_path):
    index = Index(TEXTS, Letters())
    again = Index.load(index.save(tmp_path / "faq"), Letters())
    for how in ("vectors", "words", "hybrid"):
        assert again.search("卡的年费", 4, how) == index.search("卡的年费", 4, how)
    again.add({"new": "开户"})
    assert again.search("开户", 1)[0].id == "new"
    assert sorted(path.suffix for path in (tmp_path / "faq").iterdir()) == [".json", ".safetensors"]
    assert Index.load(tmp_path / "faq").search("年费")[0].id == "年费"
    assert len(Index.load(Index({}, Letters()).save(tmp_path / "none"), Letters())) == 0


def test_a_damaged_index_or_another_model_is_refused(tmp_path):
    folder = Index(TEXTS, Letters()).save(tmp_path / "faq")
    with pytest.raises(RetrievalError, match="made by another model"):
        Index.load(folder, Letters(seed=1))
    with pytest.raises(RetrievalError, match="not empty"):
        Index(TEXTS).save(folder)
    with pytest.raises(RetrievalError, match="made without vectors"):
        Index.load(Index(TEXTS).save(tmp_path / "words"), Letters())
    declared = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    short = {**declared, "texts": dict(list(declared["texts"].items())[1:])}
    (folder / "index.json").write_text(json.dumps(short), encoding="utf-8")
    with pytest.raises(RetrievalError, match=f"{len(TEXTS) - 1:,} texts for {len(TEXTS):,} vectors"):
        Index.load(folder, Letters())
    (folder / "index.json").write_text(json.dumps(declared), encoding="utf-8")
    vectors = folder / "vectors.safetensors"
    vectors.write_bytes(vectors.read_bytes()[:-1] + b"x")
    with pytest.raises(RetrievalError, match="altered"):
        Index.load(folder, Letters())
    (folder / "index.json").write_text(json.dumps({"schema": 99}))
    with pytest.raises(RetrievalError, match="schema 99"):
        Index.load(folder)
    with pytest.raises(RetrievalError, match="cannot be read"):
        Index.load(tmp_path / "nowhere")


class Fixed:
    """A reader that knows its texts' places on a circle, in degrees."""

    def __init__(self, degrees: dict[str, float]) -> None:
        self.degrees = degrees

    def vectors(self, rows):
        angles = np.radians([self.degrees[row["text"]] for row in rows])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_mining_takes_the_nearest_that_is_neither_gold_nor_too_near():
    degrees = {"q": 0, "gold": 30, "twin": 50, "as near": 31, "nearer": 10, "near": 40, "far": 80, "farther": 170}
    index = Index({text: text for text in degrees if text != "q"}, Fixed(degrees))
    ask = ["q"], [{"gold", "twin"}], index
    # cos 30° = 0.866: with a margin of 5 % what scores above 0.823 (34.6°) may mean the same.
    assert hard_negatives(*ask, count=2, margin=0.05) == [["near", "far"]]
    assert hard_negatives(*ask, count=2, margin=0.0) == [["as near", "near"]]
    assert hard_negatives(*ask, count=9, margin=0.2) == [["far", "farther"]]
    assert hard_negatives(["q"], [[]], index, count=2) == [["nearer", "gold"]]
    with pytest.raises(RetrievalError, match="no text 'elsewhere'"):
        hard_negatives(["q"], [["elsewhere"]], index)


def test_mining_stays_in_its_index_and_out_of_the_query_s_group():
    groups = {f"g{i}": [f"question {i} wording {k} 问法{k}" for k in range(4)] for i in range(12)}
    seen = {text: g for g, texts in list(groups.items())[:8] for text in texts}
    index = Index({text: text for text in seen}, Letters())
    queries = list(seen)
    gold = [[t for t in seen if seen[t] == seen[q]] for q in queries]
    for how in ("vectors", "words"):
        mined = hard_negatives(queries, gold, index, count=3, how=how)
        assert any(mined)
        for query, others in zip(queries, mined, strict=True):
            assert all(other in seen and seen[other] != seen[query] for other in others)


class Judge:
    """A matching model that likes the longer text."""

    def predict(self, rows):
        return [{"score": len(row["text"].split("\t")[1]) / 100} for row in rows]


def test_re_ranking_orders_by_the_model_s_score():
    hits = [[Hit("a", "xx", 0.9), Hit("b", "xxxx", 0.5), Hit("c", "yy", 0.1)], []]
    assert reranked(Judge(), ["q", "r"], hits) == [
        [Hit("b", "xxxx", 0.04), Hit("a", "xx", 0.02), Hit("c", "yy", 0.02)],
        [],
    ]
