"""`python upload.py FILE ENDPOINT TOKEN METADATA CHUNK`: uploads with tuspy, says where to.

With ABORT_AT it stops there and goes on in a second uploader; with CHECKSUM parts carry theirs.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tusclient.client import TusClient


def main(path: str, endpoint: str, token: str, metadata: str, chunk: str) -> None:
    client = TusClient(endpoint, headers={"Authorization": f"Bearer {token}"})
    options: dict[str, Any] = {
        "metadata": json.loads(metadata),
        "chunk_size": int(chunk) or 1 << 40,
        "upload_checksum": bool(os.environ.get("CHECKSUM")),
        "retries": 2,
        "retry_delay": 0.2,
    }
    abort_at = int(os.environ.get("ABORT_AT", "0"))
    uploader = client.uploader(path, **options)
    if abort_at:
        uploader.upload(stop_at=abort_at)
        uploader = client.uploader(path, url=uploader.url, **options)
        assert uploader.offset >= abort_at
    uploader.upload()
    print(uploader.url)


if __name__ == "__main__":
    main(*sys.argv[1:])
