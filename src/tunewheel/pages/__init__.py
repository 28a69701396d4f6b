"""Pages: one HTML file each, in two languages, with its charts inside."""

from tunewheel.pages.messages import Messages, several
from tunewheel.pages.sentences import Sentences
from tunewheel.pages.shell import Lang, section, shell
from tunewheel.pages.tables import html_table

__all__ = ["Lang", "Messages", "Sentences", "html_table", "section", "several", "shell"]
