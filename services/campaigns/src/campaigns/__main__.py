"""The command line of campaigns: `python -m campaigns api | worker | migrate | …`."""

from campaigns.service import service
from keyturn_chassis.cli import run

run(service)
