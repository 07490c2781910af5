"""The registry of homes, and with which release each comes to market."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from intake.domain.sales.homes import Home, HomeFile, RegisterHome
from intake.domain.sales.releases import Release
from intake.store.needs import Needs
from intake.store.subject import Subject
from intake.store.working_set import IntakeWorkingSet
from keyturn_chassis.inputs import Input


class Homes(Subject):
    """Registrations of homes."""

    inputs = (RegisterHome,)
    states = (HomeFile,)

    def need(self, needs: Needs, input: Input[Any]) -> None:
        """The home, who has it, and the release that it is to belong to."""
        home: Home = input.value.home
        needs.document(Home, home.home_id)
        needs.homes.add(home.home_id)
        if home.release_id is not None:
            needs.document(Release, home.release_id)

    async def load(
        self,
        connection: AsyncConnection,
        needs: Needs,  # noqa: ARG002 - what others asked for counts too
        rows: IntakeWorkingSet,
    ) -> None:
        """The releases of whatever homes the batch looks at."""
        homes = rows.documents.get(Home)
        if homes is None:
            return
        known = rows.documents.get(Release)
        wanted = {
            (home.release_id,)
            for home in homes.values()
            if home.release_id is not None
            and (known is None or known.get((home.release_id,)) is None)
        }
        if wanted:
            await rows.load_documents(connection, Release, wanted)

    def state(self, rows: IntakeWorkingSet, input: Input[Any]) -> HomeFile:
        """The home as it is registered, and whether it may change its release."""
        given: Home = input.value.home
        known = rows.document(Home, given.home_id)
        releases = {}
        for release_id in (given.release_id, None if known is None else known.release_id):
            release = None if release_id is None else rows.document(Release, release_id)
            if release is not None:
                releases[release.release_id] = release
        return HomeFile(known, rows.claim(given.home_id), releases)

    def put(self, rows: IntakeWorkingSet, state: HomeFile) -> None:
        """Keep the home."""
        if state.home is not None:
            rows.put_document(state.home)
