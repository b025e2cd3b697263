"""Models: where a name leads, the encoder and the decoder, chat rendering, writing and scoring, layers by role, memory facts."""
