"""What reading data says, in Chinese: for pages, where notes and problems stand that were made in English."""

from tunewheel.data.chinese.chinese import TASKS, chinese, in_language, problem_said, task_name

__all__ = ["TASKS", "chinese", "in_language", "problem_said", "task_name"]
