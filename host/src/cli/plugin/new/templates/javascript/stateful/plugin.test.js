// The plugin, natively and without a host, with its state in memory: `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Harness, KEEP, drop, reject } from "./millstream.js";
import Limit from "./plugin.js";

test("each user has a limit of their own within a batch and across batches", () => {
  const harness = new Harness(Limit, { limit: 2 });
  const [ada, bob] = ['{"id": "ada"}', '{"id": "bob"}'];
  const over = drop("over_limit");
  assert.deepEqual(harness.run(ada, ada, ada, bob), [KEEP, KEEP, over, KEEP]);
  assert.deepEqual(harness.run(bob, bob, ada), [KEEP, over, over]);
});

test("a record of nobody is rejected", () => {
  assert.deepEqual(new Harness(Limit).run("{}"), [reject("missing_field: id")]);
});
