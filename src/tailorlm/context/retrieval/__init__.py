"""Finding texts for a query: by their words (BM25), by their meaning (vectors of an encoder), or by both.

What is found may be passages of documents (`context.index`) or train rows (`context.store`); nothing here knows which.
"""
