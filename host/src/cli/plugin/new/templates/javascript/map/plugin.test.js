// The plugin, natively and without a host: `npm test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Harness, reject, replace } from "./millstream.js";
import Map from "./plugin.js";

test("a user becomes a contact", () => {
  const verdicts = new Harness(Map, { source: "crm" }).run(
    '{"id": "u1", "first_name": "Zoë", "last_name": "O\'Hara", "email": "zoe@example.com", "phone": "1"}',
    '{"id": "u1", "first_name": "Zoë", "last_name": "O\'Hara", "email": "zoe"}',
    '{"id": 1}',
  );
  const contact = '{"id":"u1","name":"Zoë O\'Hara","domain":"example.com","source":"crm"}';
  assert.deepEqual(verdicts, [replace(contact, "u1"), reject("bad_email: email"), reject("wrong_type: id")]);
});

test("a misspelt setting is refused", () => {
  assert.throws(() => new Harness(Map, { sauce: "crm" }), /unknown field `sauce`/);
});
