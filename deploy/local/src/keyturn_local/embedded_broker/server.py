"""Connections: read a request, have it answered, write the answer, in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from pathlib import Path

from keyturn_local.embedded_broker.catalogue import Catalogue
from keyturn_local.embedded_broker.errors import ErrorCode
from keyturn_local.embedded_broker.group_requests import GroupRequests
from keyturn_local.embedded_broker.offsets import CommittedOffsets
from keyturn_local.embedded_broker.protocol import NO_THROTTLE, VERSIONS, Api, Call, Handler
from keyturn_local.embedded_broker.record_requests import RecordRequests
from keyturn_local.embedded_broker.topic_requests import TopicRequests
from keyturn_local.embedded_broker.wire import MalformedRequestError, Reader, Writer

MAX_REQUEST_BYTES = 100 * 1024 * 1024
"""Larger requests are not read; Apache Kafka's default."""

# The last version of the ApiVersions request whose answer is not compactly encoded.
LAST_PLAIN_API_VERSIONS = 2

_SIZE = struct.Struct(">i")
_log = logging.getLogger(__name__)


class BrokerServer:
    """A broker that listens on one address and keeps its data in one directory."""

    def __init__(self, directory: Path, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._catalogue = Catalogue(directory)
        self._offsets = CommittedOffsets(directory / "committed-offsets")
        self._handlers: dict[Api, Handler] = {
            **RecordRequests(self._catalogue).handlers(),
            **TopicRequests(self._catalogue, host, port).handlers(),
            **GroupRequests(self._offsets, host, port).handlers(),
        }
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set, then close every connection and file."""
        server = await asyncio.start_server(self._accept, self._host, self._port)
        _log.info("listening on %s:%d", self._host, self._port)
        await stop.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        self._catalogue.close()
        self._offsets.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        peer = writer.get_extra_info("peername")
        try:
            while True:
                (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
                if not 0 <= size <= MAX_REQUEST_BYTES:
                    raise MalformedRequestError(f"a request of {size} bytes")
                answer = await self._answer(await reader.readexactly(size))
                if answer is not None:
                    writer.write(_SIZE.pack(len(answer)) + answer)
                    await writer.drain()
        except MalformedRequestError as error:
            _log.warning("closing the connection of %s: %s", peer, error)
        except (asyncio.IncompleteReadError, ConnectionError):
            _log.debug("%s went away", peer)
        except asyncio.CancelledError:
            _log.debug("closing the connection of %s", peer)
        finally:
            # What the peer has not read by now it will not read.
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, data: bytes) -> bytes | None:
        """The answer to one request; None if the client does not want one."""
        request = Reader(data)
        number, version, correlation = request.int16(), request.int16(), request.int32()
        client_id = request.nullable_string() or "client"
        answer = Writer().int32(correlation)
        if number == Api.API_VERSIONS:
            _describe_versions(answer, version)
            return answer.finish()
        try:
            api = Api(number)
        except ValueError:
            raise MalformedRequestError(f"request {number} is not one this broker knows") from None
        if version != VERSIONS[api]:
            raise MalformedRequestError(f"version {version} of {api.name} is not offered")
        wanted = await self._handlers[api](Call(client_id, request, answer))
        return answer.finish() if wanted else None


def _describe_versions(answer: Writer, version: int) -> None:
    """Tell what is offered; a client that asks in too new a way is told in the oldest."""
    plain = version <= LAST_PLAIN_API_VERSIONS
    answer.int16(ErrorCode.NONE if plain else ErrorCode.UNSUPPORTED_VERSION)
    answer.int32(len(VERSIONS))
    for api, offered in VERSIONS.items():
        highest = LAST_PLAIN_API_VERSIONS if api is Api.API_VERSIONS else offered
        answer.int16(api).int16(offered).int16(highest)
    if plain and version > 0:
        answer.int32(NO_THROTTLE)
