"""Rules around the planner: what needs no model, and what is mended in its plan."""
