"""The status page: what the watch does, for people (pages) and for machines (metrics, health).

Needs the packages of the extra ``web``: import it only where the status page is asked for.
"""
