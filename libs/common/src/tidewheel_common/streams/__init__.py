"""Redis: the client, every key, the hint that travels on a stream, wake-ups. Redis holds hints, never the truth."""
