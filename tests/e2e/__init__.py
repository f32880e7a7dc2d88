"""End to end: real Kafka, real worker processes, real failures."""
