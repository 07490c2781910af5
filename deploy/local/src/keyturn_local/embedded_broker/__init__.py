"""A Kafka broker for one machine, small enough to read in one sitting.

It speaks the part of the Kafka protocol that Keyturn uses: topics, idempotent producers, consumer
groups and committed offsets; no transactions, no replication, no compaction. What it acknowledges
it has handed to the operating system before it answers, so that `kill -9` loses nothing; like
Apache Kafka by default it leaves it to the system when the disk has it.

Read it in this order: `wire` (bytes), `partition_log` (records on disk), `catalogue` (topics),
`consumer_group` and `offsets` (who reads what, how far), `requests` (one method a request),
`server` (connections).
"""
