"""Where the Elasticsearch cluster is and how to be let in: read from the environment, never from `--model_args`."""

from __future__ import annotations

import math
import os
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from kinj.errors import UserError

#: What stands before the name of an index on a cluster, where else a folder is named.
PREFIX = "elasticsearch:"
#: How many seconds a cluster in trouble is waited for, unless `ELASTICSEARCH_WAIT` says otherwise.
WAIT_SECONDS = 120.0
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Access:
    """What the environment says. Secrets are in no `repr`."""

    urls: tuple[str, ...]
    cloud_id: str
    #: file of the certificates that the server's is verified against; empty: those that Python trusts
    ca: str
    user: str
    #: seconds that a cluster in trouble is waited for
    wait: float
    api_key: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def credentials(self) -> str:
        """What to say when they were not accepted."""
        if self.api_key:
            return "ELASTICSEARCH_API_KEY was not accepted"
        if self.password:
            return "ELASTICSEARCH_USER and ELASTICSEARCH_PASSWORD were not accepted"
        return "asks for credentials: set ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USER and ELASTICSEARCH_PASSWORD"

    def arguments(self) -> dict[str, Any]:  # Any: the client's own parameters
        """What the client's constructor takes."""
        arguments: dict[str, Any] = {"cloud_id": self.cloud_id} if self.cloud_id else {"hosts": list(self.urls)}
        if self.ca:
            arguments["ca_certs"] = self.ca
        if self.api_key:
            arguments["api_key"] = self.api_key
        if self.password:
            arguments["basic_auth"] = (self.user, self.password)
        return arguments

    def without_secrets(self, text: str) -> str:
        """The text with each secret blotted out, should a library ever put one into a message."""
        for secret in (self.api_key, self.password):
            if secret:
                text = text.replace(secret, "***")
        return text


def read_access() -> Access:
    """What the environment says, checked.

    Raises:
        UserError: no address, two of them, half of a pair of credentials, or a value that cannot be one; the message
            names the variable and never shows a secret.
    """
    urls = tuple(_url(part.strip()) for part in _read("URL").split(",") if part.strip())
    cloud_id, ca = _read("CLOUD_ID"), _read("CA")
    if bool(urls) == bool(cloud_id):
        rule = "only one of them can say where the cluster is" if urls else "set one of them, say"
        example = "" if urls else " ELASTICSEARCH_URL=http://127.0.0.1:9200"
        raise UserError(f"ELASTICSEARCH_URL and ELASTICSEARCH_CLOUD_ID: {rule}{example}")
    if ca and any(url.startswith("http:") for url in urls):
        raise UserError("ELASTICSEARCH_CA is set, but ELASTICSEARCH_URL does not use TLS: write https://")
    if ca:
        _check_certificates(ca)
    api_key, user, password = _secret("API_KEY"), _read("USER"), _secret("PASSWORD")
    if bool(user) != bool(password):
        raise UserError("ELASTICSEARCH_USER and ELASTICSEARCH_PASSWORD belong together: set both")
    if api_key and user:
        raise UserError("ELASTICSEARCH_API_KEY and ELASTICSEARCH_USER: set one of them, not both")
    return Access(urls, cloud_id, ca, user, _wait(), api_key, password)


def _read(name: str) -> str:
    return os.environ.get(f"ELASTICSEARCH_{name}", "").strip()


def _secret(name: str) -> str:
    value = _read(name)
    # A header cannot carry more; the error that says so further down would show the value.
    if not (value.isascii() and value.isprintable()) and name == "API_KEY":
        raise UserError(f"ELASTICSEARCH_{name} holds a character that no key has (a line end inside, say)")
    return value


def _url(url: str) -> str:
    """The address with its port, checked without ever being shown where it may hold a secret."""
    try:
        address = urlsplit(url)
        port = address.port
    except ValueError as error:
        raise UserError("ELASTICSEARCH_URL is no address: write it as http://127.0.0.1:9200") from error
    if address.username or address.password:
        raise UserError(
            "ELASTICSEARCH_URL has a user or a password in it, which logs would show: set ELASTICSEARCH_USER and "
            "ELASTICSEARCH_PASSWORD instead"
        )
    if address.scheme not in _PORTS or not address.hostname or address.query or address.fragment:
        raise UserError("ELASTICSEARCH_URL is no address: write it as http://127.0.0.1:9200 or https://HOST:9200")
    host = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
    return f"{address.scheme}://{host}:{port or _PORTS[address.scheme]}{address.path.rstrip('/')}"


def _check_certificates(file: str) -> None:
    try:
        ssl.create_default_context(cafile=file)
    except FileNotFoundError as error:
        raise UserError(f"ELASTICSEARCH_CA={file}: no such file") from error
    except (ssl.SSLError, OSError) as error:
        raise UserError(f"ELASTICSEARCH_CA={file}: holds no certificate that can be read ({error})") from error


def _wait() -> float:
    value = _read("WAIT")
    try:
        seconds = float(value) if value else WAIT_SECONDS
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UserError(f"ELASTICSEARCH_WAIT={value}: must be a number of seconds, 0 or more")
    return seconds
