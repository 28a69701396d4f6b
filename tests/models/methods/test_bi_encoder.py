import numpy as np
import pytest
import torch

from tunewheel.evaluation.retrieval import measure
from tunewheel.models import MethodError, Model, Recipe, prepare
from tunewheel.models.contrast import contrast
from tunewheel.models.methods import method_class
from tunewheel.models.retrieval import Index
from tunewheel.models.twin import Twin, meanings
from tunewheel.tasks.matching import Matching

TASK = Matching(("not", "same"))
QUICK = Recipe(epochs=24, batch_tokens=512, learning_rate=3e-3, precision="fp32")
SYNONYMS = [
    ("lost", "gone"), ("card", "plastic"), ("fee", "charge"), ("open", "start"), ("house", "home"),
    ("丢失", "不见"), ("费用", "价钱"), ("开户", "注册"), ("退款", "返还"), ("密码", "口令"),
]  # fmt: skip
FRAMES = ("about the {} now", "my {} please", "请问{}", "我的{}怎么办", "{} again", "关于{}的事")


def synonym_rows() -> list[dict]:
    """Texts together where one word stands for the other, apart where it does not; frames say nothing."""
    rows = []
    for i, (one, other) in enumerate(SYNONYMS):
        for k in range(len(FRAMES)):
            first, second = FRAMES[k].format(one), FRAMES[(k + i + 1) % len(FRAMES)].format(other)
            rows.append(TASK.pair(first, second, together=True))
            wrong = SYNONYMS[(i + k + 1) % len(SYNONYMS)][1]
            if wrong != other:
                rows.append(TASK.pair(first, FRAMES[k].format(wrong), together=False))
    return rows


def found(model) -> float:
    """Mean reciprocal rank of each word's synonym among all of them, in frames."""
    index = Index({word: f"my {word} please" for _, word in SYNONYMS}, model)
    hits = index.search_all([f"about the {word} now" for word, _ in SYNONYMS], 10)
    return measure([[h.id for h in hit] for hit in hits], [{word} for _, word in SYNONYMS]).metrics["mrr"].value


def learned(base, folder, **options) -> tuple[float, Model]:
    rows = synonym_rows()
    ready = prepare(TASK, str(base), rows, QUICK, method="bi-encoder", options=options)
    before = found(ready.untrained)
    model, trained = ready.train(rows, rows[:30], folder)
    assert trained and trained.updates
    return before, model


@pytest.fixture(scope="module")
def both(tiny_base, tmp_path_factory) -> tuple[float, Model]:
    return learned(tiny_base, tmp_path_factory.mktemp("run"))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["contrastive", "cosent"])
def test_either_loss_alone_brings_synonyms_together(loss, tiny_base, tmp_path):
    before, model = learned(tiny_base, tmp_path, loss=loss)
    assert found(model) > max(0.9, before + 0.2)


def test_synonyms_of_both_languages_come_to_lie_together(both):
    before, model = both
    assert found(model) > max(0.9, before + 0.2)
    same, apart = TASK.pair("my 密码 please", "口令 again", together=True), TASK.pair("my card", "价钱", together=False)
    p, q = model.predict([same, apart])
    assert p["similarity"] > q["similarity"] + 0.2 and p["score"] > q["score"]


def test_a_saved_model_gives_the_same_vectors_and_answers(both, tmp_path):
    _, model = both
    again = Model.load(model.save(tmp_path / "model"))
    rows = synonym_rows()[:20]
    assert isinstance(again.body, Twin) and again.origin.method == "bi-encoder"
    assert again.predict(rows) == model.predict(rows)
    texts = [{"text": "my card please"}, {"text": "我的密码怎么办"}]
    vectors = again.vectors(texts)
    assert np.array_equal(vectors, model.vectors(texts))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    pair = again.predict([TASK.pair(texts[0]["text"], texts[1]["text"], together=True)])[0]
    assert pair["similarity"] == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(both, tiny_base, tmp_path):
    _, other = learned(tiny_base, tmp_path)
    for key, weight in both[1].network.state_dict().items():
        assert torch.equal(weight, other.network.state_dict()[key])


def test_before_it_learns_it_answers_by_the_cosine_of_its_base(tiny_base):
    from tunewheel.models.vectors import sentence_vectors

    ready = prepare(TASK, str(tiny_base), synonym_rows(), QUICK, method="bi-encoder")
    a, b = sentence_vectors(str(tiny_base), ["my card", "我的费用"])
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    told = ready.untrained.predict([TASK.pair("my card", "我的费用", together=True)])[0]
    assert told["similarity"] == pytest.approx(float(cosine), abs=1e-5)


def test_long_texts_are_read_whole_and_alike_in_training_and_answers(tiny_base, tmp_path):
    long = " ".join(f"word{i}" for i in range(120))
    rows = [TASK.pair(long, "short", together=True), TASK.pair("short too", long + " end", together=False)] * 4
    ready = prepare(TASK, str(tiny_base), rows, Recipe(epochs=1, window=32), method="bi-encoder")
    twin = ready.untrained.body
    windows = twin.windows(TASK, rows[:1])
    pieces = len(twin.encoder([long])[0].ids)
    assert {i for w in windows for i in range(w.parts[0].start, w.parts[0].stop)} == set(range(pieces))
    assert all(w.other is not None and w.other.ids for w in windows) and len(windows) > 3
    model, _ = ready.train(rows, rows, tmp_path / "run")
    ends = model.vectors([{"text": long}, {"text": long + " end"}])
    assert not np.allclose(ends[0], ends[1])


def test_mined_negatives_never_mean_the_same(tiny_base):
    rows = synonym_rows()
    ready = prepare(TASK, str(tiny_base), rows, QUICK, method="bi-encoder", options={"negatives": 3, "margin": 0.0})
    more = ready.method.examples(ready.untrained, rows)[len(rows) :]
    number = meanings([(*TASK.sides(row), TASK.together(row)) for row in rows])
    assert more
    for row in more:
        first, second = TASK.sides(row)
        assert number[first] != number[second] and not TASK.together(row)
    assert len({row["text"] for row in (*rows, *more)}) == len({row["text"] for row in rows}) + len(more)
    none = prepare(TASK, str(tiny_base), rows, QUICK, method="bi-encoder", options={"negatives": 0})
    assert none.method.examples(none.untrained, rows) is rows


def test_texts_of_one_meaning_are_not_pushed_apart():
    x = torch.nn.functional.normalize(torch.randn(8, 5, generator=torch.Generator().manual_seed(1)), dim=-1)
    meaning = torch.tensor([[0, 0], [0, 0], [1, 1], [2, 1]])
    first, second = x.chunk(2)
    cosines = 20 * first @ second.T

    def lost(matrix, partner, others):
        allowed = torch.stack([matrix[partner], *(matrix[j] for j in others)])
        return torch.logsumexp(allowed, 0) - matrix[partner]

    # By hand: rows 0, 1 and 2 are together; 0 and 1 mean the same; the second text of row 3 means what row 2 does.
    forward = (lost(cosines[0], 0, [2, 3]) + lost(cosines[1], 1, [2, 3]) + lost(cosines[2], 2, [0, 1])) / 3
    back = cosines.T
    backward = (lost(back[0], 0, [2, 3]) + lost(back[1], 1, [2, 3]) + lost(back[2], 2, [0, 1, 3])) / 3
    assert contrast(x, meaning, "contrastive") == pytest.approx((forward + backward).item() / 2, rel=1e-5)
    diagonal = cosines.diagonal()
    cosent = torch.log1p(sum(torch.exp(diagonal[3] - diagonal[i]) for i in range(3)))
    assert contrast(x, meaning, "cosent") == pytest.approx(cosent.item(), rel=1e-5)
    total = contrast(x, meaning, "contrastive") + contrast(x, meaning, "cosent")
    assert contrast(x, meaning, "both") == pytest.approx(total.item(), rel=1e-5)
    assert contrast(x, torch.tensor([[0, 1], [2, 3], [4, 5], [6, 7]]), "both") == 0


def test_a_task_about_one_text_is_refused():
    from tunewheel.models.methods import check_pair

    with pytest.raises(MethodError, match=r"compares two texts.*use 'full'"):
        check_pair("bi-encoder", "classification")
    assert check_pair("bi-encoder", "matching") is method_class("bi-encoder")
    with pytest.raises(MethodError, match=r"options\.loss"):
        method_class("bi-encoder").from_options({"loss": "triplet"})


def test_a_head_first_is_refused_where_there_is_no_head(tiny_base, tmp_path):
    from tunewheel.tasks import TaskError

    rows = synonym_rows()
    ready = prepare(TASK, str(tiny_base), rows, Recipe(epochs=1, head_first=True), method="bi-encoder")
    with pytest.raises(TaskError, match="head_first is for a head on whole texts"):
        ready.train(rows, [], tmp_path / "run")
