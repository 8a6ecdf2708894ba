"""Load on a running service: many callers at once over every API, with locust. ``make load`` runs it.

Only ``__main__``, ``run`` and ``users`` import locust, which replaces the standard library's sockets and threads by
gevent's. Everything else is plain blocking code that works with either.
"""
