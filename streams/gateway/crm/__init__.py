"""CRMs that tell what became of leads, in the way that each of them tells it."""
