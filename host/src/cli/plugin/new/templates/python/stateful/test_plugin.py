"""The plugin, natively and without a host, with its state in memory: `python3 -m unittest`."""

import unittest

from millstream import KEEP, Harness, drop, reject
from plugin import Limit


class LimitTest(unittest.TestCase):
    def test_each_user_has_a_limit_of_their_own_within_a_batch_and_across_batches(self):
        harness = Harness(Limit, limit=2)
        ada, bob = '{"id": "ada"}', '{"id": "bob"}'
        over = drop("over_limit")
        self.assertEqual(harness.run(ada, ada, ada, bob), [KEEP, KEEP, over, KEEP])
        self.assertEqual(harness.run(bob, bob, ada), [KEEP, over, over])

    def test_a_record_of_nobody_is_rejected(self):
        self.assertEqual(Harness(Limit).run("{}"), [reject("missing_field: id")])


if __name__ == "__main__":
    unittest.main()
