"""Many daemons on one shared database: who polls what, and who decides and delivers."""
