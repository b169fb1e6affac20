"""The LangGraph state machine: :func:`~visiongpt_agent.graphs.build.build_graph` puts its four nodes together."""
