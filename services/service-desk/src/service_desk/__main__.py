"""The command line of the service desk."""

from keyturn_chassis.cli import run
from service_desk.service import service

run(service)
