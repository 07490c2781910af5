"""The rules of campaigns: pure functions of facts and time, without I/O, clock or framework."""
