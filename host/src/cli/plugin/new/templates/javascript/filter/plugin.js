/**
 * Lets through users who registered lately, and leaves out those of blocked domains.
 *
 * What comes in are two fields of each record; what goes out is a verdict: kept as it is, or dropped as `too_old` or `blocked`. A
 * record without a date is rejected as `missing_field: registered_date`.
 */

import { KEEP, drop, optional, string } from "./millstream.js";

/** The domain of an address: what follows its last `@`, if anything does. */
export function domain(email) {
  return email.includes("@") ? email.slice(email.lastIndexOf("@") + 1) : "";
}

export default class Filter {
  /** What the plugin needs of a record. The host takes out these fields and no others. */
  static fields = { registered_date: string, email: optional(string) };

  constructor(setup) {
    // The stage's `config` in pipeline.toml: the earliest date of registration, or the beginning of one, and domains to leave out.
    this.config = setup.config({ since: "2010-01-01", block: [] });
  }

  record(user, record) {
    // Dates are written so that the order of texts is the order of time.
    if (user.registered_date < this.config.since) return drop("too_old");
    const of = domain(user.email ?? "");
    if (of && this.config.block.includes(of)) return drop("blocked");
    return KEEP;
  }
}
