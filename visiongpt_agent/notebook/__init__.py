"""How results look in a notebook: :func:`watch` shows a request as it goes, ``result_html`` what came of it."""

from visiongpt_agent.notebook.progress import watch

__all__ = ["watch"]
