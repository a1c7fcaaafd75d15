"""Lets through so many records of each user within a time, and drops the later ones as `over_limit`.

What comes in is the id of each record; how many of it there were is kept in the host's store, which is durable together with the
records, so a restart counts on. The stage needs `grant = ["state"]`.
"""

from millstream import KEEP, drop, fields, plugin


@fields
class User:
    """What the plugin needs of a record. The host takes out this field and no others."""

    id: str


@plugin
class Limit:
    fields = User

    def __init__(self, setup):
        # The stage's `config` in pipeline.toml: most records of a user, and how long one who sends nothing is remembered.
        self.config = setup.config(limit=100, ttl_seconds=3600)
        self.counts = setup.store("counts", ttl_seconds=self.config.ttl_seconds)

    def record(self, user, record):
        # Kept as decimal digits, so that whoever looks into the state can read them.
        count = int(self.counts.get(user.id) or b"0")
        if count >= self.config.limit:
            return drop("over_limit")
        # Written on behalf of the record: if that is not made durable, neither is this.
        self.counts.put(record, user.id, str(count + 1))
        return KEEP
