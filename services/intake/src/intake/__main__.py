"""The command line of the service: `python -m intake --help`."""

from intake.service import service
from keyturn_chassis.cli import run

if __name__ == "__main__":
    run(service)
