"""The HTTP way in: what a request must be, and its path from bytes to acknowledged records.

ingest/      reads bodies: our own events, and what Segment's SDKs send
intake.py    takes one request from socket to answer
producer.py  writes to Kafka; nothing is answered with 2xx before the broker has it
app.py       puts them together
"""
