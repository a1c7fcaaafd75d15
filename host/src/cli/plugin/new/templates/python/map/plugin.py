"""Makes a short contact of a user, with the user's id as the record's key.

What comes in are four fields of each record; what goes out is a new value and key. A record without one of them is rejected as
`missing_field: …`, and one whose address has no domain as `bad_email: email`.
"""

import json

from millstream import fields, plugin, reject, replace


@fields
class User:
    """What the plugin needs of a record. The host takes out these fields and no others."""

    id: str
    first_name: str
    last_name: str
    email: str


def domain(email):
    """The domain of an address: what follows its last `@`, if anything does."""
    return email.rpartition("@")[2] if "@" in email else ""


@plugin
class Map:
    fields = User

    def __init__(self, setup):
        # The stage's `config` in pipeline.toml: where the contacts come from, as each of them says.
        self.config = setup.config(source="users")

    def record(self, user, record):
        of = domain(user.email)
        if not of:
            return reject("bad_email: email")
        name = f"{user.first_name} {user.last_name}".strip()
        contact = {"id": user.id, "name": name, "domain": of, "source": self.config.source}
        return replace(json.dumps(contact, ensure_ascii=False, separators=(",", ":")), key=user.id)
