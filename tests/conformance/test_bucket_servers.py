"""The servers that tests of buckets stand on: each starts, makes buckets, and knows who may come in."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from tests.bucket_servers import BucketServer


def status_of(server: BucketServer, path: str) -> int:
    """Of a request that nobody signed."""
    address = urlsplit(server.endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=100)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_each_bucket_is_new_and_its_server_answers(bucket_server: BucketServer) -> None:
    first, second = bucket_server.new_bucket(), bucket_server.new_bucket()
    assert first != second
    assert first.startswith(f"{bucket_server.scheme}://")
    open_to_all = bucket_server.kind in ("moto", "fake-gcs")
    assert (status_of(bucket_server, "/" + first.partition("//")[2]) == 200) is open_to_all


def test_a_server_behind_something_is_told_to_the_client_by_its_address(s3_server: BucketServer) -> None:
    behind = s3_server.at("http://127.0.0.1:1")
    assert behind.endpoint == behind.environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert behind.environment["AWS_REGION"] == s3_server.environment["AWS_REGION"]
