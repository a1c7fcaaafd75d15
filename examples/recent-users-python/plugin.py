"""Lets through users who registered lately, and leaves out those of blocked domains.

What comes in are two fields of each record; what goes out is a verdict: kept as it is, or dropped as `too_old` or `blocked`. A record
without a date is rejected as `missing_field: registered_date`.
"""

from millstream import KEEP, drop, fields, plugin


@fields
class User:
    """What the plugin needs of a record. The host takes out these fields and no others."""

    registered_date: str
    email: str | None


def domain(email):
    """The domain of an address: what follows its last `@`, if anything does."""
    return email.rpartition("@")[2] if "@" in email else ""


@plugin
class Filter:
    fields = User

    def __init__(self, setup):
        # The stage's `config` in pipeline.toml: the earliest date of registration, or the beginning of one, and domains to leave out.
        self.config = setup.config(since="2010-01-01", block=[])

    def record(self, user, record):
        # Dates are written so that the order of texts is the order of time.
        if user.registered_date < self.config.since:
            return drop("too_old")
        if user.email and (of := domain(user.email)) and of in self.config.block:
            return drop("blocked")
        return KEEP
