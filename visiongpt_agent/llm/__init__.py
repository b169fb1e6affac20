"""The language model: plans decoded under a grammar, and a LangChain chat model over a local pipeline."""
