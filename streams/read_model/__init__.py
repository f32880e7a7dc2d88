"""What Redis holds for those who look: the projector writes it, the dashboard and the query API read it.

Everything in it comes from topics and can be thrown away at any time. Two collections, leads and accounts, are kept
alike (:class:`streams.read_model.layout.Collection`); the rest is lists per lead or account, and one live feed.
"""
