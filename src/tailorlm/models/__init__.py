"""Base models: where a name leads, the encoder with its pooling and head, layers by role, memory facts."""
