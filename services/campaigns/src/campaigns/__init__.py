"""The campaigns service: who is told what, who brought whom, and what the club owes its members."""
