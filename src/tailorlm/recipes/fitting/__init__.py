"""From a recipe and rows to a fitted model: one file for each way a model answers, and what their stages share."""
