"""What survives the process: conversations with a name, their pictures, and who is working on which."""

from __future__ import annotations

from visiongpt_agent.state.conversations import ConversationStore

__all__ = ["ConversationStore"]
