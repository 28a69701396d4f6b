"""Topics in text without labels: found, named by their words, and handed on as a first set of labels."""

from tunewheel.data.topics.find import find_topics
from tunewheel.data.topics.topics import OTHER, Dot, Topic, Topics, TopicsError

__all__ = ["OTHER", "Dot", "Topic", "Topics", "TopicsError", "find_topics"]
