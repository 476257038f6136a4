"""Settings for a bug report: values are shown only if their names are known to be harmless, URLs without credentials."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

_OURS = re.compile(
    r"(STROP|AWS|OTEL|PYTHON)_\w+|DATABASE_URL|MQTT_URL|SSL_CERT_FILE|(HTTPS?|ALL|NO)_PROXY", re.IGNORECASE
)
_PLAIN = re.compile(
    r"STROP_(BUCKET|QUEUE_PREFIX|HOST|PORT|LOG_JSON|MQTT_SHARED|SECRETS_DIR|CONSOLE|\w+_CACHE)"
    r"|AWS_(DEFAULT_)?REGION|AWS_PROFILE|NO_PROXY|SSL_CERT_FILE",
    re.IGNORECASE,
)
_URL = re.compile(
    r"\w+_URL|AWS_ENDPOINT_URL\w*|STROP_TRACES|OTEL_EXPORTER_OTLP_ENDPOINT|(HTTPS?|ALL)_PROXY", re.IGNORECASE
)
_HIDDEN = "(set, not shown)"


def settings(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that configure Strop and its clients, by name; a value that may be secret is not shown."""
    return {name: _shown(name, env[name]) for name in sorted(env) if _OURS.fullmatch(name)}


def _shown(name: str, value: str) -> str:
    if not value:
        return "(empty)"
    if _URL.fullmatch(name):
        return address(value)
    return text(value) if _PLAIN.fullmatch(name) else _HIDDEN


def address(url: str) -> str:
    """Return scheme, host and port of a URL: user, password, path and query may be secret."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return _HIDDEN
    if not parts.scheme or not host:
        return _HIDDEN
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def text(message: str) -> str:
    """Return a message without the credentials of URLs and without tokens of Strop."""
    message = re.sub(r"(?<=://)[^/\s]*@", "", message)
    return re.sub(r"strop_(once|session|api)_[\w-]+", r"strop_\1_…", message)
