"""The doors for LangChain and LangGraph: the agent as one tool, its tools one by one, and its graph over messages."""
