// The plugin, natively and without a host: `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Harness, KEEP, drop, reject } from "./millstream.js";
import Filter, { domain } from "./plugin.js";

test("users are kept by date and domain", () => {
  const verdicts = new Harness(Filter, { since: "2010", block: ["spam.example"] }).run(
    '{"registered_date": "2019-03-08", "email": "ada@example.com"}',
    '{"registered_date": "2009-03-08", "email": "ada@example.com"}',
    '{"registered_date": "2019-03-08", "email": "eve@spam.example"}',
    '{"email": "ada@example.com"}',
    '{"registered_date": 2019}',
    "[]",
  );
  assert.deepEqual(verdicts, [
    KEEP,
    drop("too_old"),
    drop("blocked"),
    reject("missing_field: registered_date"),
    reject("wrong_type: registered_date"),
    reject("not_json: root is not an object"),
  ]);
});

test("a domain follows the last @", () => {
  assert.deepEqual(["a@b", '"a@b"@c', "a", "a@"].map(domain), ["b", "c", "", ""]);
});

test("a misspelt setting is refused", () => {
  assert.throws(() => new Harness(Filter, { sinse: "2010" }), /unknown field `sinse`/);
});
