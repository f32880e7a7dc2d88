"""Our extension of Faust: delivery by chunks, tables that restore themselves, transactions per shard.

Nothing here knows what is scored or for whom; :mod:`streams.agents` joins it with :mod:`scoring`.
"""
