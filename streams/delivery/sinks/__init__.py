"""The receivers: one file each, which says how it is written to (``render``, pure) and how it is spoken to."""
