"""Addresses of tables, such as postgres://user:password@host/database?table=stops, and what of
them may be shown."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlencode

__all__ = ["Address", "file_of", "is_address", "masked"]

_HIDDEN = "***"
_USERINFO = re.compile(r"(?<=://)([^/?#\s:@]*):[^\n]*@")
_SECRET = r"[\w.-]*(?:pass|pwd|secret|token|key|credential)[\w.-]*"
_OPTION = re.compile(rf"\b({_SECRET}\s*=\s*)(?:'[^']*'|[^\s&]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """The parts of an address of a table.

    Attributes:
        scheme: which database, in small letters, such as "postgres".
        user: user and password as they were given; empty without.
        place: host, port and database.
        options: what follows the question mark, without the table.
        table: the name of the table; None where it was left out.
    """

    scheme: str
    user: str
    place: str
    options: tuple[tuple[str, str], ...]
    table: str | None

    @classmethod
    def of(cls, text: str) -> "Address":
        """Take an address apart; a password may hold any character."""
        scheme, _, rest = text.partition("://")
        user, rest = _split_user(rest)
        place, _, query = rest.partition("?")
        options = parse_qsl(query, keep_blank_values=True)
        table = next((value for name, value in options if name == "table"), None)
        kept = tuple((name, value) for name, value in options if name != "table")
        # SQLAlchemy's form names the driver too: postgresql+psycopg.
        return cls(scheme.lower().partition("+")[0], user, place, kept, table or None)

    def url(self, **options: str) -> str:
        """The address without the table, as Ibis takes it."""
        name, colon, password = self.user.partition(":")
        user = f"{quote(name, safe='%')}{colon}{quote(password, safe='%')}"
        query = urlencode(dict(self.options) | options)
        at, mark = "@" if self.user else "", "?" if query else ""
        return f"{self.scheme}://{user}{at}{self.place}{mark}{query}"

    def scrubbed(self, text: str) -> str:
        """A text of a driver or a library without the secrets of this address."""
        _, _, password = self.user.partition(":")
        secrets = [value for name, value in self.options if re.fullmatch(_SECRET, name, re.I)]
        forms = (unquote, unquote_plus, quote, str)
        every = {form(secret) for secret in (password, *secrets) for form in forms} - {""}
        for secret in sorted(every, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", _HIDDEN, text)
        return masked(text)


def is_address(source: object) -> bool:
    """Whether a source is the address of a table in a database."""
    return isinstance(source, str) and "://" in source


def file_of(source: str) -> Path:
    """The file that a source is read from, without the name of a table in it."""
    place = Address.of(source).place if is_address(source) else source.partition("?table=")[0]
    return Path(source if Path(source).exists() else place).expanduser()


def masked(text: str) -> str:
    """A text without the passwords that stand in an address or as an option in it."""
    return _OPTION.sub(rf"\1{_HIDDEN}", _USERINFO.sub(rf"\1:{_HIDDEN}@", text))


def _split_user(rest: str) -> tuple[str, str]:
    """User and password, and what follows them."""
    before = re.split(r"[?&]table=", rest, maxsplit=1)[0]
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    _, colon, port = host.partition(":")
    if "@" in before and ("@" in host or (colon and not port.isdigit())):
        user = before.rpartition("@")[0]
        return user, rest[len(user) + 1 :]
    return "", rest
