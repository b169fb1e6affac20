"""The owner of every loaded model: what is in memory, where, for whom, and what makes room when memory runs out."""

from __future__ import annotations

from visiongpt_agent.pool.budgets import is_out_of_memory
from visiongpt_agent.pool.pool import Load, ModelPool, Resident
from visiongpt_agent.pool.view import ModelView

__all__ = ["Load", "ModelPool", "ModelView", "Resident", "is_out_of_memory"]
