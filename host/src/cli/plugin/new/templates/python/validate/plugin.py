"""Lets through users whose fields look as they should; the others go to the dead letters with the reason.

What comes in are four fields of each record; what goes out is nothing, or the first fault in their order: `bad_uuid`, `bad_email`,
`bad_gender`, `bad_post_code`, or `missing_field` and `wrong_type` of any of them.
"""

import re

from millstream import KEEP, Text, fields, plugin, reject

UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


@fields
class User:
    """What the plugin needs of a record. The host takes out these fields and no others."""

    id: str
    email: str
    gender: str
    post_code: Text | None  # some come as a number, some as a text


def is_email(text):
    """Whether the text has something before and something after its last `@`."""
    mailbox, _, of = text.rpartition("@")
    return bool(mailbox and of)


@plugin
class Validate:
    fields = User

    def __init__(self, setup):
        # The stage's `config` in pipeline.toml: what a gender may be.
        self.config = setup.config(genders=["female", "male"])
        if not self.config.genders:
            raise ValueError("`genders` is empty, so every record would be rejected")

    def record(self, user, record):
        # Codes are counted, so they are few and stay as they are.
        if not UUID.fullmatch(user.id):
            return reject("bad_uuid: id")
        if not is_email(user.email):
            return reject("bad_email: email")
        if user.gender not in self.config.genders:
            return reject("bad_gender: gender")
        if user.post_code == "":
            return reject("bad_post_code: post_code")
        return KEEP
