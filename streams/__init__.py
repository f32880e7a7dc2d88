"""What moves: Kafka, HTTP and the processes around :mod:`scoring`."""
