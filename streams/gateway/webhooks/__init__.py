"""What mail providers tell of messages: one file per provider, all in one vocabulary.

mail.py               what a provider tells of one message, as an event, with its verdict
delivery.py           one request: its signature, its items, the answer
sendgrid.py, …        how each provider signs, and what its words mean
routes.py             the routes of the providers that are set up

To add a provider: write a class with ``name``, ``verify``, ``split`` and ``mails``, and name it in routes.py.
"""
