"""What columns are called, in English and Chinese: the names by which texts, labels and the rest are found."""

from __future__ import annotations

TEXTS = (
    *(
        "text",
        "sentence",
        "message",
        "utterance",
        "content",
        "query",
        "question",
        "review",
        "comment",
        "body",
    ),
    *("full_text", "text_a", "sentence1", "document_text", "tweet", "headline", "title", "input"),
    *("文本", "正文", "内容", "句子", "评论", "问题", "消息", "标题"),
)
LABELS = (
    *(
        "label",
        "labels",
        "intent",
        "intents",
        "category",
        "categories",
        "class",
        "target",
        "sentiment",
        "topic",
    ),
    *("tag", "tags", "polarity", "output", "标签", "类别", "意图", "分类", "情感", "主题", "正负面"),
)
ENTITIES = ("entities", "spans", "entity", "annotations", "ner", "实体")
TOKENS = ("tokens", "words", "characters", "chars", "词", "字")
TAGS = ("tags", "ner_tags", "ner", "labels", "label", "bio", "标签")
IDS = ("id", "_id", "uuid", "guid")
GROUP, DOCUMENT = "group", "document"
PAIRS = (
    *(("sentence1", "sentence2"), ("text_a", "text_b"), ("text1", "text2"), ("sentence_a", "sentence_b")),
    *(("premise", "hypothesis"), ("question1", "question2"), ("句子1", "句子2")),
)
PROMPTS = ("prompt", "instruction", "提示", "指令")
QUESTIONS = ("question", "query", "input", "text", "问题", "输入")
CONTEXTS = ("input", "context", "输入", "背景")
ANSWERS = ("chosen", "response", "completion", "answer", "output", "回答", "答案", "回复", "输出")
ANSWERED = ("answer", "rejected")
"""Columns of canonical rows that hold an answer to their text."""
REJECTED = ("rejected", "拒绝")
MESSAGES = ("messages", "conversation", "对话")
SYSTEM = ("system", "系统")
NAMES = ("label_desc", "label_name", "label_text", "class_name", "category_name", "intent_name", "标签名")
STARTS = ("start", "start_offset", "start_position", "start_char", "begin")

LABEL_WORDS = frozenset(("label", "labels", "category", "intent", "class", "sentiment", "topic"))
_KNOWN = frozenset((*TEXTS, *LABELS, *ENTITIES, *TOKENS, *TAGS, *IDS, GROUP, DOCUMENT))


def known_column(name: str) -> bool:
    """Say whether a column name is one that is looked for."""
    return name.strip().lower() in _KNOWN
