"""How a fitted model answers: with a head, by writing, by reading, by searching, or in steps."""
