"""The plugin, natively and without a host: `python3 -m unittest`."""

import unittest

from millstream import Harness, reject, replace
from plugin import Map


class MapTest(unittest.TestCase):
    def test_a_user_becomes_a_contact(self):
        verdicts = Harness(Map, source="crm").run(
            '{"id": "u1", "first_name": "Zoë", "last_name": "O\'Hara", "email": "zoe@example.com", "phone": "1"}',
            '{"id": "u1", "first_name": "Zoë", "last_name": "O\'Hara", "email": "zoe"}',
            '{"id": 1}',
        )
        contact = '{"id":"u1","name":"Zoë O\'Hara","domain":"example.com","source":"crm"}'
        self.assertEqual(verdicts, [replace(contact, key="u1"), reject("bad_email: email"), reject("wrong_type: id")])

    def test_a_misspelt_setting_is_refused(self):
        with self.assertRaisesRegex(ValueError, "unknown field `sauce`"):
            Harness(Map, sauce="crm")


if __name__ == "__main__":
    unittest.main()
