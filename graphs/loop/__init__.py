"""How the loop runs: clock, waves of ready steps, retries, and what came of which step."""
