"""Delivery: what was found becomes a message, and the message arrives, or stands visibly where it waits.

:mod:`.desk` decides, purely; :mod:`.runner` moves one partition's deliveries; :mod:`.sinks` know how each receiver
wants to be spoken to. The truth is the compacted topic ``deliveries``.
"""
