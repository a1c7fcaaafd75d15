// The plugin, natively and without a host: `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Harness, KEEP, reject } from "./millstream.js";
import Validate from "./plugin.js";

const GOOD = '{"id": "7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6", "email": "ada@example.com", "gender": "female", "post_code": 12}';

test("the first broken rule is the reason", () => {
  const verdicts = new Harness(Validate).run(
    GOOD,
    GOOD.replace("12}", '"SW1A 1AA"}'),
    GOOD.replace("7d8a", "7d8").replace("ada@", ""),
    GOOD.replace("ada@", "").replace("female", "x"),
    GOOD.replace("female", "x"),
    GOOD.replace("12}", '""}'),
    GOOD.replace("12}", "[]}"),
  );
  const reasons = ["bad_uuid: id", "bad_email: email", "bad_gender: gender", "bad_post_code: post_code", "wrong_type: post_code"];
  assert.deepEqual(verdicts, [KEEP, KEEP, ...reasons.map(reject)]);
});

test("settings that make no sense are refused", () => {
  assert.throws(() => new Harness(Validate, { genders: [] }), /every record/);
  assert.throws(() => new Harness(Validate, { gender: ["x"] }), /unknown field `gender`/);
});
