"""Keyturn's benchmarks: what it does a second, against honest ways of doing the same."""
