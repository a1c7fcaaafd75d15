/**
 * Lets through so many records of each user within a time, and drops the later ones as `over_limit`.
 *
 * What comes in is the id of each record; how many of it there were is kept in the host's store, which is durable together with the
 * records, so a restart counts on. The stage needs `grant = ["state"]`.
 */

import { KEEP, drop, string } from "./millstream.js";

export default class Limit {
  /** What the plugin needs of a record. The host takes out this field and no others. */
  static fields = { id: string };

  constructor(setup) {
    // The stage's `config` in pipeline.toml: most records of a user, and how long one who sends nothing is remembered.
    this.config = setup.config({ limit: 100, ttl_seconds: 3600 });
    this.counts = setup.store("counts", this.config.ttl_seconds);
  }

  record(user, record) {
    // Kept as decimal digits, so that whoever looks into the state can read them.
    const count = Number(this.counts.getText(user.id) || "0");
    if (count >= this.config.limit) return drop("over_limit");
    // Written on behalf of the record: if that is not made durable, neither is this.
    this.counts.put(record, user.id, String(count + 1));
    return KEEP;
  }
}
