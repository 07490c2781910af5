"""The command line: `python -m segmentation api | worker | migrate | …`."""

from keyturn_chassis.cli import run
from segmentation.service import service

run(service)
