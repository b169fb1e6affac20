"""Pictures as values: read, kept, drawn on, compared."""
