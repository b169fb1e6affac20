"""Figures, measured as a person meets them: ``make bench`` prints them as one table."""
