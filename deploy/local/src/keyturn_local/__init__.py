"""Keyturn on one machine: PostgreSQL, a Kafka broker and the four services as processes."""
