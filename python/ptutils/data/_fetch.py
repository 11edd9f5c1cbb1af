"""Downloads for the data sets that fetch their files."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.parse
import urllib.request

from ..errors import IOFailed

TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 20
_LOCAL = {"localhost", "127.0.0.1", "::1"}


def fetch(url: str, path: str) -> None:
    """Writes what the URL gives to the file, as it comes.

    Raises
    ------
    IOFailed
        The server could not be reached, refused, or stopped in the middle.
    """
    parts = urllib.parse.urlsplit(url)
    # A proxy of the environment has no way to this machine's own servers.
    proxies: dict[str, str] | None = {} if parts.hostname in _LOCAL else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    request = urllib.request.Request(url, headers={"User-Agent": "ptutils"})
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        with opener.open(request, timeout=TIMEOUT) as response, open(path, "wb") as f:
            shutil.copyfileobj(response, f, CHUNK)
            expected = response.headers.get("Content-Length")
            if expected is not None and f.tell() != int(expected):
                raise IOFailed(
                    f"[download] {shown} stopped after {f.tell()} of {expected} "
                    "bytes; try again"
                )
    except urllib.error.HTTPError as error:
        raise IOFailed(f"[download] {shown}: {error.code} {error.reason}") from error
    except (urllib.error.URLError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        raise IOFailed(
            f"[download] {shown}: {reason}; is the address right?"
        ) from error
