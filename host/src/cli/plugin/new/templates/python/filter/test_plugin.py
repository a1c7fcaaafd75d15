"""The plugin, natively and without a host: `python3 -m unittest`."""

import unittest

from millstream import KEEP, Harness, drop, reject
from plugin import Filter, domain


class FilterTest(unittest.TestCase):
    def test_users_are_kept_by_date_and_domain(self):
        verdicts = Harness(Filter, since="2010", block=["spam.example"]).run(
            '{"registered_date": "2019-03-08", "email": "ada@example.com"}',
            '{"registered_date": "2009-03-08", "email": "ada@example.com"}',
            '{"registered_date": "2019-03-08", "email": "eve@spam.example"}',
            '{"email": "ada@example.com"}',
            '{"registered_date": 2019}',
            "[]",
        )
        expected = [
            KEEP,
            drop("too_old"),
            drop("blocked"),
            reject("missing_field: registered_date"),
            reject("wrong_type: registered_date"),
            reject("not_json: root is not an object"),
        ]
        self.assertEqual(verdicts, expected)

    def test_a_domain_follows_the_last_at(self):
        self.assertEqual([domain(email) for email in ("a@b", '"a@b"@c', "a", "a@")], ["b", "c", "", ""])

    def test_a_misspelt_setting_is_refused(self):
        with self.assertRaisesRegex(ValueError, "unknown field `sinse`"):
            Harness(Filter, sinse="2010")


if __name__ == "__main__":
    unittest.main()
