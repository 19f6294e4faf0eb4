"""One object's upload in parts: begun, sent part by part, completed or aborted. S3 alone.

What the answer to its completion means for the object is decided in `objects`, which can look at what stands there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from vault.bucket.connections import Answer, Connections, RestRequest
from vault.bucket.listing import parse_xml
from vault.errors import StoreError, VaultError


class MultipartUpload:
    """`size` and `sha256`: of what was sent so far, to tell it from what stands there. Of one thread."""

    def __init__(self, connections: Connections, path: bytes, message: str) -> None:
        self._connections = connections
        self._path = path
        self._message = message
        self._upload = ""
        self._told: list[str] = []
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> bytes:
        return self._digest.digest()

    def begin(self, headers: Mapping[str, str]) -> None:
        """Raises  as `Connections.refused`; Unavailable

        Asked again where no answer came: that may leave an upload that nobody knows, without parts, so nothing is paid for.
        """
        answer = self._connections.ask(
            RestRequest(method="POST", path=self._path, query={"uploads": ""}, headers=headers)
        )
        self._upload = _between(answer.body, b"<UploadId>", b"</UploadId>")
        if answer.status != 200 or not self._upload:
            raise self._connections.refused(answer, self._message)

    def send(self, part: bytes) -> None:
        """Raises  as `Connections.refused`; Unavailable"""
        number = len(self._told) + 1
        query = {"partNumber": str(number), "uploadId": self._upload}
        answer = self._connections.ask(RestRequest(method="PUT", path=self._path, query=query, body=part))
        if answer.status != 200 or "etag" not in answer.headers:
            raise self.refusal(answer)
        self._told.append(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{_escaped(answer.headers['etag'])}</ETag></Part>"
        )
        self._digest.update(part)
        self.size += len(part)

    def complete(self, condition: Mapping[str, str]) -> Answer:
        """Of whatever status. Raises  Unavailable"""
        whole = f"<CompleteMultipartUpload>{''.join(self._told)}</CompleteMultipartUpload>".encode()
        query = {"uploadId": self._upload}
        return self._connections.ask(
            RestRequest(method="POST", path=self._path, query=query, headers=condition, body=whole)
        )

    def abort(self) -> None:
        """So that nobody pays for parts of nothing, also after `cancel`; what remains is for the bucket's own rules. Never raises."""
        try:
            self._connections.ask_at_end(
                RestRequest(method="DELETE", path=self._path, query={"uploadId": self._upload})
            )
        except VaultError:
            return

    def refusal(self, answer: Answer) -> VaultError:
        """An upload that is gone is no fault of the storage's as a whole: of this object alone."""
        if is_gone(answer):
            why = "the storage does not know the upload any more"
            return StoreError(self._message, why=why, hint="run the command again")
        return self._connections.refused(answer, self._message)


def is_gone(answer: Answer) -> bool:
    """Of an upload: completed, aborted, or removed by a rule of the bucket's."""
    return b"<Code>NoSuchUpload</Code>" in answer.body


def is_completed(answer: Answer) -> bool:
    """The status is sent before the parts are joined: only the body says that they were."""
    if answer.status != 200:
        return False
    try:
        root = parse_xml(answer.body.strip())
    except ValueError:
        return False
    return root.tag.rpartition("}")[2] == "CompleteMultipartUploadResult"


def _between(body: bytes, before: bytes, after: bytes) -> str:
    from html import unescape

    _, _, rest = body.partition(before)
    return unescape(rest.partition(after)[0].decode("utf-8", "replace")) if rest else ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
