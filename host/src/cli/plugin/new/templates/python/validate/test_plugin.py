"""The plugin, natively and without a host: `python3 -m unittest`."""

import unittest

from millstream import KEEP, Harness, reject
from plugin import Validate

GOOD = '{"id": "7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6", "email": "ada@example.com", "gender": "female", "post_code": 12}'


class ValidateTest(unittest.TestCase):
    def test_the_first_broken_rule_is_the_reason(self):
        verdicts = Harness(Validate).run(
            GOOD,
            GOOD.replace("12}", '"SW1A 1AA"}'),
            GOOD.replace("7d8a", "7d8").replace("ada@", ""),
            GOOD.replace("ada@", "").replace("female", "x"),
            GOOD.replace("female", "x"),
            GOOD.replace("12}", '""}'),
            GOOD.replace("12}", "[]}"),
        )
        reasons = ["bad_uuid: id", "bad_email: email", "bad_gender: gender", "bad_post_code: post_code", "wrong_type: post_code"]
        self.assertEqual(verdicts, [KEEP, KEEP, *map(reject, reasons)])

    def test_settings_that_make_no_sense_are_refused(self):
        with self.assertRaisesRegex(ValueError, "every record"):
            Harness(Validate, genders=[])
        with self.assertRaisesRegex(ValueError, "unknown field `gender`"):
            Harness(Validate, gender=["x"])


if __name__ == "__main__":
    unittest.main()
