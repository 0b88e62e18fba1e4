"""Pictures in a bucket of S3, or of whatever speaks like it; needs the extra `scale`.

Who may read and write the bucket is found the way all of Amazon's tools find it: environment, profile or
role of the machine. A file's time is when the bucket last took it, by the bucket's own clock. Only what
has the form of a file's name is ever listed or deleted: a bucket may hold other things beside.

Not covered: a picture that is put again between being listed as old and being deleted is lost.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from sievert.errors import MissingExtra, StoreUnavailable
from sievert.schema.clock import Micros
from sievert.schema.media import MAX_PICTURE_BYTES
from sievert.stores.media.base import MediaStore, is_name

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 3, 10, 3
_AT_ONCE = 16


class S3Media(MediaStore):
    """Keeps files in a bucket."""

    def __init__(self, bucket: str, *, prefix: str = "", endpoint_url: str | None = None) -> None:
        """Speak to a bucket that exists; `endpoint_url` is another server than Amazon's.

        Raises:
            MissingExtra: boto3 is not installed.
            StoreUnavailable: no region, or no such endpoint.
        """
        try:
            import boto3  # noqa: PLC0415  an extra
            from botocore.config import Config  # noqa: PLC0415
            from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtra(
                f"Keeping pictures in S3 needs {error.name}.", remedy="pip install 'sievert[scale]'"
            ) from error
        self._failures = (BotoCoreError, ClientError, ValueError)
        self._refused = ClientError
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        with self._answering():
            self._client: Any = boto3.client(
                "s3",
                endpoint_url=endpoint_url or None,
                config=Config(
                    connect_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                    max_pool_connections=_AT_ONCE,
                    # Servers that only speak like S3 often do not know the newer checksums.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )

    def forget(self, before: Micros) -> int:
        """List the bucket and delete what is old, a page at a time."""
        gone = 0
        with self._answering():
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                old = [
                    {"Key": entry["Key"]}
                    for entry in page.get("Contents", ())
                    if is_name(entry["Key"].removeprefix(self._prefix))
                    and entry["LastModified"].timestamp() * 1_000_000 < before
                ]
                if old:
                    told = self._client.delete_objects(
                        Bucket=self._bucket, Delete={"Objects": old, "Quiet": True}
                    )
                    self._refuse_rest(told.get("Errors", ()))
                    gone += len(old)
        return gone

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _put(self, sha256: str, data: bytes) -> None:
        with self._answering():
            self._client.put_object(**self._at(sha256), Body=data, ContentType="application/octet-stream")

    def _get(self, sha256: str) -> bytes | None:
        with self._answering():
            found = self._unless_absent(self._client.get_object, sha256)
            if found is None:
                return None
            with contextlib.closing(found["Body"]) as body:
                # Nothing longer was written by us; it is cut, and so no longer fits its name.
                data: bytes = body.read(MAX_PICTURE_BYTES + 1)
        return data

    def _holds(self, sha256: str) -> bool:
        with self._answering():
            return self._unless_absent(self._client.head_object, sha256) is not None

    def _touch(self, sha256: str) -> bool:
        at = self._at(sha256)
        with self._answering():
            # A copy onto itself is taken only if something of it is replaced.
            found = self._unless_absent(
                self._client.copy_object,
                sha256,
                CopySource=at,
                MetadataDirective="REPLACE",
                ContentType="application/octet-stream",
            )
        return found is not None

    def _drop(self, sha256: str) -> None:
        with self._answering():
            self._client.delete_object(**self._at(sha256))

    def _at(self, sha256: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{sha256}"}

    def _unless_absent(self, call: Any, sha256: str, **more: Any) -> dict[str, Any] | None:
        try:
            told: dict[str, Any] = call(**self._at(sha256), **more)
        except self._refused as error:
            if _code(error) in _ABSENT:
                return None
            raise
        return told

    def _refuse_rest(self, undeleted: Any) -> None:
        for one in undeleted:
            raise self._unavailable(f"some pictures could not be deleted ({one.get('Code')})")

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            # The library's own words may quote keys and addresses that were signed.
            raise self._unavailable(_code(error) or type(error).__name__) from error

    def _unavailable(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"The bucket {self._bucket} does not do what it is asked: {why}.",
            remedy="Check media_store, media_endpoint, the region and what the credentials permit.",
        )


def _code(error: Exception) -> str:
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
