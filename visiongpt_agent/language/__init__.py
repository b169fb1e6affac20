"""The English that the agent reads and writes."""
