"""``leadheat demo``: an invented world that visits a real leadheat, and what there is to see of it.

:mod:`~streams.demo.companies` and :mod:`~streams.demo.cast` invent companies and people, :mod:`~streams.demo.world`
what they do; all are pure.
:mod:`~streams.demo.send` sends it over HTTP as a customer's site would, :mod:`~streams.demo.watch` reads what comes
of it as any subscriber would, onto a :mod:`~streams.demo.board`. :mod:`~streams.demo.play` conducts.
"""
