"""The worker's own loops, one module a task: the module has the name of the task."""
