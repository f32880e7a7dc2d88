"""The projector: topics → Redis, by chunks, each chunk and the offsets that it ends at in one transaction of Redis."""
