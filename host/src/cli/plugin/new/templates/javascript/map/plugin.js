/**
 * Makes a short contact of a user, with the user's id as the record's key.
 *
 * What comes in are four fields of each record; what goes out is a new value and key. A record without one of them is rejected as
 * `missing_field: …`, and one whose address has no domain as `bad_email: email`.
 */

import { reject, replace, string } from "./millstream.js";

/** The domain of an address: what follows its last `@`, if anything does. */
export function domain(email) {
  return email.includes("@") ? email.slice(email.lastIndexOf("@") + 1) : "";
}

export default class Map {
  /** What the plugin needs of a record. The host takes out these fields and no others. */
  static fields = { id: string, first_name: string, last_name: string, email: string };

  constructor(setup) {
    // The stage's `config` in pipeline.toml: where the contacts come from, as each of them says.
    this.config = setup.config({ source: "users" });
  }

  record(user, record) {
    const of = domain(user.email);
    if (!of) return reject("bad_email: email");
    const name = `${user.first_name} ${user.last_name}`.trim();
    return replace(JSON.stringify({ id: user.id, name, domain: of, source: this.config.source }), user.id);
  }
}
