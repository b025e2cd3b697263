"""Training: the one loop, its settings and the order in which rows come."""
