"""What makes a Tidewheel program a well-behaved process: settings, loops, probes, logs, metrics, spans."""
