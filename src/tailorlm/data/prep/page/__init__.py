"""The audit of a preparation as one HTML page: what came in, what each step did, what came out."""
