"""Students of every kind learn what their teacher says, not what rows are labelled."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tiny import entity_rows, intent_rows
from tunewheel.models import MethodError, Model, Origin, Recipe, prepare
from tunewheel.models.distillation.answers import Answers
from tunewheel.models.distillation.loss import Blend
from tunewheel.models.distillation.student import Reader, Student, Thin
from tunewheel.models.distillation.thin import thinned
from tunewheel.models.methods import Job
from tunewheel.tasks import TaskError
from tunewheel.tasks.classification import Classification
from tunewheel.tasks.ner import Ner

QUICK = Recipe(epochs=6, learning_rate=5e-3, batch_tokens=128, window=48)


@pytest.fixture(scope="module")
def intents(tiny_base, tmp_path_factory):
    rows = intent_rows(60)
    ready = prepare(Classification(("balance", "lost")), str(tiny_base), rows, QUICK)
    return ready.train(rows, rows[:20], tmp_path_factory.mktemp("teacher"))[0]


def job(task, base, rows, recipe=QUICK):
    return Job(task, base, rows, recipe, Origin("distill", base, ""))


@pytest.mark.parametrize("base", ["textcnn", "bilstm", "pieces", "thin"])
def test_it_learns_from_the_teacher_where_there_are_no_labels(base, intents, tmp_path):
    """The labelled rows are labelled wrongly on purpose: with the whole share the teacher's word counts."""
    wrong = [{**row, "label": {"lost": "balance", "balance": "lost"}[row["label"]]} for row in intent_rows(20)]
    text = [{"text": row["text"]} for row in intent_rows(80)]
    answers = Answers.of(intents, [*wrong, *text], tmp_path / "answers")
    blend = Blend(2.0, 1.0)
    told = (text, answers, blend)
    student = {"pieces": Reader(*told, intents), "thin": Thin(*told, intents, 1)}.get(base, Student(*told))
    ready = student.prepare(job(intents.task.unfitted(), base, wrong, Recipe(epochs=8, batch_tokens=256)))
    model, trained = ready.train(wrong, intent_rows(20), tmp_path / "run")
    assert trained.dev["accuracy"] == 1.0
    assert model.origin.method == "distill"
    again = Model.load(model.save(tmp_path / "model"))
    assert again.predict(["卡丢了"]) == model.predict(["卡丢了"])
    assert f"{base} (" in ready.described()
    assert all(weight.requires_grad for weight in model.network.parameters())


@pytest.mark.parametrize("base", ["bilstm", "pieces"])
@pytest.mark.parametrize("crf", [False, True])
def test_a_student_learns_entities_from_word_pieces(crf, base, tiny_base, tmp_path):
    rows = entity_rows(60)
    recipe = Recipe(epochs=15, learning_rate=5e-3, batch_tokens=128, window=48)
    teacher, _ = prepare(Ner(("person",)), str(tiny_base), rows, recipe).train(rows, rows[:20], tmp_path / "teacher")
    text = [{"text": row["text"]} for row in entity_rows(100)]
    answers = Answers.of(teacher, text, tmp_path / "answers")
    task = Ner(("person",), crf=crf)
    told = (text, answers, Blend())
    student = Reader(*told, teacher) if base == "pieces" else Student(*told)
    ready = student.prepare(job(task, base, [], Recipe(epochs=12, batch_tokens=256)))
    model, trained = ready.train([], rows[:20], tmp_path / "run")
    assert trained.dev["f1"] > 0.95
    assert [e["label"] for e in model.predict(["3 times paid 王芳 in full"])[0]["entities"]] == ["person"]


def test_a_reader_has_its_teachers_pieces_by_what_tells_them_apart(intents, tiny_base, tmp_path):
    """The tiny table is no wider than a reader's, so likeness stays exactly what it was."""
    rows = intent_rows(20)
    answers = Answers.of(intents, rows, tmp_path / "answers")
    ready = Reader([], answers, Blend(), intents).prepare(
        job(intents.task, "pieces", rows, replace(QUICK, word_shapes=False))
    )
    mine, theirs = (model.network.get_input_embeddings().weight.detach() for model in (ready.untrained, intents))
    theirs = theirs - theirs.mean(0)
    assert torch.allclose(mine @ mine.T / mine.var(), theirs @ theirs.T / theirs.var(), atol=1e-3)
    assert ready.untrained.encoder.tokenizer is intents.encoder.tokenizer
    before = {name: weight.clone() for name, weight in ready.untrained.network.state_dict().items()}
    model, _ = ready.train(rows, rows, tmp_path / "run")
    same = {name for name, weight in model.network.state_dict().items() if torch.equal(weight, before[name])}
    assert same == {"backbone.embeddings.weight"}


def modernbert(layers):
    from transformers import ModernBertConfig, ModernBertModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_hidden_layers": layers}
    return ModernBertModel(ModernBertConfig(vocab_size=60, max_position_embeddings=64, pad_token_id=0, **sizes))


def test_a_thin_one_has_its_teachers_layers_as_they_are(tiny_base):
    from transformers import AutoModel

    bert, modern = AutoModel.from_pretrained(tiny_base), modernbert(7)
    thin = thinned(bert, 1)
    assert torch.equal(thin.encoder.layer[0].output.dense.weight, bert.encoder.layer[0].output.dense.weight)
    assert torch.equal(thin.embeddings.word_embeddings.weight, bert.embeddings.word_embeddings.weight)
    thin = thinned(modern, 3)
    for new, old in enumerate((0, 3, 6)):
        assert torch.equal(thin.layers[new].mlp.Wi.weight, modern.layers[old].mlp.Wi.weight)
        assert thin.layers[new].attention_type == modern.layers[old].attention_type
    whole = thinned(modern, 7)
    ids = torch.arange(2, 12)[None]
    modern.eval(), whole.eval()
    assert torch.allclose(whole(ids).last_hidden_state, modern(ids).last_hidden_state, atol=1e-6)
    assert modern.config.num_hidden_layers == 7


def test_thin_ones_that_cannot_be(intents):
    with pytest.raises(MethodError, match="teacher has 2, a thin student 1 to 2, got 3"):
        thinned(intents.network.backbone, 3)
    with pytest.raises(MethodError, match="1 to 2, got 0"):
        thinned(intents.network.backbone, 0)
    bilstm = prepare(Classification(("a", "b")), "bilstm", intent_rows(4), QUICK).untrained
    with pytest.raises(MethodError, match="'tunewheel-bilstm' is none"):
        thinned(bilstm.network.backbone, 1)


def test_a_thin_one_begins_with_its_teachers_head(intents):
    ready = Thin([], [], Blend(), intents, None).prepare(job(intents.task, "thin", intent_rows(4)))
    assert torch.equal(ready.untrained.network.head.weight, intents.network.head.weight)
    assert len(ready.untrained.network.backbone.encoder.layer) == 1


def test_rows_out_of_scope_are_learned_as_text(intents):
    task = Classification(("balance", "lost"), out_of_scope="oos")
    rows = [*intent_rows(2), {"text": "what a day", "label": "oos"}]
    answers = [np.full((1, 2), i, dtype=np.float16) for i in range(4)]
    student = Student([{"text": "hm"}], answers, Blend())
    model = student.prepare(job(task, "textcnn", rows)).untrained
    windows = student.windows(model, rows)
    assert [window.labels for window in windows] == [1, 0, -100, -100]
    assert [float(window.soft[0]) for window in windows] == [0, 1, 2, 3]


def test_what_a_student_cannot_do_is_said(intents, tmp_path):
    with pytest.raises(MethodError, match="head_first"):
        Student([], [], Blend()).prepare(job(intents.task, "textcnn", intent_rows(4), Recipe(head_first=True)))
    assert Student([], [], Blend()).prepare(job(intents.task, "textcnn", intent_rows(4), Recipe())).recipe.epochs >= 30

    ready = prepare(Classification(("balance", "lost")), "none", intent_rows(40), Recipe(), method="tfidf")
    words, _ = ready.train(intent_rows(40), intent_rows(9), tmp_path / "run")
    with pytest.raises(MethodError, match="method 'tfidf' has none"):
        Reader([], [], Blend(), words).prepare(job(intents.task, "pieces", intent_rows(4)))

    class Odd(Ner):
        readings = Classification.readings
        soft_targets = Classification.soft_targets

    with pytest.raises(TaskError, match="does not say how a student learns"):
        Odd(("x",)).readings([], None, [], [])
