"""Topics found in made texts: what they are, how far to trust them, and what has none."""

import json
import re

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from desk import desk
from english import english_in
from tunewheel.data import Dataset
from tunewheel.data.topics import OTHER, TopicsError, find_topics
from tunewheel.data.topics.clustering import centres, nearest, stability, too_far
from tunewheel.data.topics.messages import TEXT
from tunewheel.data.topics.page import render_html
from tunewheel.data.topics.terminal import topics_view


def made(texts):
    return Dataset.from_rows({"train": [{"text": text} for text in texts]}, "text")


WHEN = ("now", "then", "again", "after all", "before")


def gathered(texts, **options):
    """Topics of texts of which only the very same count once: made texts are nearly alike by design."""
    return find_topics(made(texts), **{"near": 1.0, **options})


@pytest.fixture(scope="module")
def found():
    return {lang: gathered([text for _, text in desk(lang)], count=3) for lang in ("en", "zh")}


@pytest.mark.parametrize(
    ("lang", "names"), [("en", {"elevator", "radiator", "rent"}), ("zh", {"电梯", "暖气", "房租"})]
)
def test_topics_are_those_of_the_texts_and_called_by_their_words(found, lang, names):
    topics = found[lang]
    assert {topic.name.split()[0] for topic in topics.topics} == names
    told = topics.member != OTHER
    truth = np.array([topic for topic, _ in desk(lang)])
    assert adjusted_rand_score(truth[told], topics.member[told]) > 0.95
    assert topics.other == (~told).sum() <= 9
    assert [topic.rows for topic in topics.topics] == sorted((topic.rows for topic in topics.topics), reverse=True)
    assert sum(topic.rows for topic in topics.topics) + topics.other == topics.rows == 90
    for topic in topics.topics:
        assert len(topic.examples) == 5 and all(topic.name.split()[0] in text for text in topic.examples)
        assert (topics.member == topic.number).sum() == topic.rows


def test_the_same_seed_finds_the_same(found):
    again = gathered([text for _, text in desk("en")], count=3)
    assert [topic.words for topic in again.topics] == [topic.words for topic in found["en"].topics]
    for name in ("member", "confidence", "distance"):
        assert np.array_equal(getattr(again, name), getattr(found["en"], name))
    assert again.dots == found["en"].dots and again.agreement == found["en"].agreement


def test_a_topic_of_stop_words_alone_is_called_by_them():
    talk = [f"{who} {verb} you {when}" for who in ("how", "who", "where") for verb in ("are", "were") for when in WHEN]
    topics = gathered([*(text for _, text in desk("en")), *talk], count=4)
    (small,) = {int(number) for number in topics.member[90:] if number != OTHER}
    spoken = topics.topics[small]
    assert {"you", "are"} <= set(spoken.words) <= {"how", "who", "where", "are", "were", "you", *" ".join(WHEN).split()}
    assert set(spoken.name.split()) <= set(spoken.words)
    assert all(topics.descriptions.values())


def test_repeats_have_one_vote_and_every_row_gets_a_topic():
    texts = [text for _, text in desk("en")]
    copies = [texts[0].upper() + "!"] * 40
    topics = gathered([*texts, *copies, "?!"], count=3)
    assert (topics.rows, topics.texts) == (131, 90)
    assert set(topics.member[90:130]) == {topics.member[0]} and topics.member[130] == OTHER
    assert topics.central.sum() == 90 and not topics.central[90:].any()
    lift = topics.topics[topics.member[0]]
    assert lift.rows >= lift.texts + 40


def test_texts_beyond_the_sample_are_told_by_it(found):
    texts = [text for _, text in desk("en")]
    topics = gathered(texts, count=3, size=60)
    assert topics.sampled == 60
    told = topics.member != OTHER
    assert (
        adjusted_rand_score([t for (t, _), known in zip(desk("en"), told, strict=True) if known], topics.member[told])
        > 0.9
    )
    assert told.mean() > 0.8 and (topics.confidence[told] > 0.5).mean() > 0.8


def test_vectors_that_point_one_way_are_joined_by_those_of_words():
    draw, heads = np.random.default_rng(0), {"elevator": 0, "radiator": 1, "rent": 2}
    texts = [text for _, text in desk("en")]

    def narrow(asked, lean=0.02):
        vectors = np.full((len(asked), 16), 1.0) + draw.normal(0, 0.05, (len(asked), 16))
        for vector, text in zip(vectors, asked, strict=True):
            vector[next(at for word, at in heads.items() if word in text)] += lean
        return vectors.astype(np.float32)

    def wide(asked):
        return narrow(asked, 20.0)

    joined = gathered(texts, count=3, vectors=narrow, by="narrow", size=60)
    assert joined.by == "narrow + TF-IDF" and {t.name.split()[0] for t in joined.topics} == set(heads)
    assert gathered(texts, count=3, vectors=wide, by="wide").by == "wide"


def test_as_many_topics_as_silhouettes_speak_for():
    rng = np.random.default_rng(0)
    heads = np.eye(8)
    points = np.concatenate([head + rng.normal(0, 0.05, (40, 8)) for head in heads])
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    middle = centres(points, None, 13)
    assert len(middle) in (8, 10)
    truth = np.repeat(np.arange(8), 40)
    assert adjusted_rand_score(truth, nearest(points, middle)[0]) > 0.9
    assert len(centres(points, 5, 13)) == 5


def test_topics_that_are_there_are_found_again_and_chance_is_not():
    rng = np.random.default_rng(0)
    real = np.concatenate([head + rng.normal(0, 0.05, (40, 4)) for head in np.eye(4)]).astype(np.float32)
    noise = rng.normal(0, 1, (160, 20)).astype(np.float32)
    firm, loose = (stability(points, nearest(points, centres(points, 4, 1))[0], 4, 1) for points in (real, noise))
    assert min(firm.agreement) > 0.95 and firm.clusters.min() > 0.95
    assert max(loose.agreement) < 0.5 and loose.clusters.max() < 0.7


def test_what_is_unlike_all_topics_belongs_nowhere():
    texts = [text for _, text in desk("en", each=60)]
    odd = ["zxqv 7f3a9 kwyp", "lorem ipsum dolor sit", "qqq www eee rrr"]
    topics = gathered([*texts, *odd], count=3)
    assert set(topics.member[180:]) == {OTHER}
    assert too_far(np.array([0.1] * 90 + [0.9] * 10, np.float32)) < 0.9


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["where is my card"] * 30, "all 30 rows say the same"),
        ([f"{text}" for _, text in desk("en")][:19], "19 texts .*topics need at least 20"),
        (["?!"] * 30, "0 texts"),
    ],
)
def test_what_has_no_topics_is_refused_with_the_reason(texts, said):
    with pytest.raises(TopicsError, match=said):
        gathered(texts)


def test_a_number_of_topics_that_cannot_be_made_is_refused():
    with pytest.raises(TopicsError, match="46 topics cannot be made of 90 texts"):
        gathered([text for _, text in desk("en")], count=46)


def test_two_languages_are_told():
    both = [text for lang in ("en", "zh") for _, text in desk(lang)]
    assert re.search("two languages .*50% zh, 50% en", gathered(both, count=6).notes[0])
    assert not gathered([text for _, text in desk("zh")], count=3).notes


def test_a_chinese_page_has_its_notes_in_chinese():
    note = (
        "vectors by TF-IDF, no pretrained base at hand reads these texts: topics go by shared words and not by what is"
    )
    both = [text.replace(" ", "-") for lang in ("en", "zh") for _, text in desk(lang)]
    found = gathered(both, count=6, notes=[f"{note} meant (--base names another)"])
    html = render_html(found, "zh")
    told = ("含两种语言（中文 50%、英文 50%）", "向量由 TF-IDF 得出（手头没有能读懂这些文本的预训练基座）")
    assert all(line in html for line in told)
    assert not [run for run in english_in(html) if not any(run in topic.name for topic in found.topics)]
    assert "two languages" in render_html(found)


def test_every_sentence_is_said_in_both_languages_with_the_same_figures():
    for key, (english, chinese) in TEXT.items():
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), key
        assert re.search("[\u4e00-\u9fff]", chinese), key


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_shows_topics_and_map_and_hides_personal_data(lang):
    evil = "<script>alert(1)</script> %{x} ask anna.berg@example.com or 13912345678"
    texts = [f"{text} {evil}" for _, text in desk(lang)]
    topics = gathered(texts, count=3)
    html = render_html(topics, lang)
    assert "<script>alert" not in html and "anna.berg" not in html and "13912345678" not in html
    assert "[EMAIL]" in html and "[PHONE]" in html
    [drawn] = json.loads(re.search(r'id="charts">(.*?)</script>', html, re.S)[1])
    dots = sum(len(trace["x"]) for trace in drawn["data"] if trace["mode"] == "markers")
    assert dots == 90 and all("%{x}" not in text for trace in drawn["data"] for text in trace["text"])
    for topic in topics.topics:
        assert topic.name in html and f"{topic.stability:.2f}" in html
    assert f"{topics.agreed:.2f}" in html
    assert not {"anna", "berg", "example"} & {word for topic in topics.topics for word in topic.words}


def test_the_terminal_says_how_far_to_trust_them(found):
    from io import StringIO

    from rich.console import Console

    console = Console(width=120, file=StringIO())
    console.print(topics_view(found["zh"]))
    said = console.file.getvalue()
    assert f"agreement of resamples {found['zh'].agreed:.2f}" in said and "电梯" in said
