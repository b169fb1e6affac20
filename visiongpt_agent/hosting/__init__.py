"""What every door that listens shares: who may come in, a request under way, and a server that stops cleanly."""
