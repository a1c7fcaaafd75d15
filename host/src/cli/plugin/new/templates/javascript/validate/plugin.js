/**
 * Lets through users whose fields look as they should; the others go to the dead letters with the reason.
 *
 * What comes in are four fields of each record; what goes out is nothing, or the first fault in their order: `bad_uuid`, `bad_email`,
 * `bad_gender`, `bad_post_code`, or `missing_field` and `wrong_type` of any of them.
 */

import { KEEP, optional, reject, string, text } from "./millstream.js";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether the text has something before and something after its last `@`. */
export function isEmail(text) {
  const place = text.lastIndexOf("@");
  return place > 0 && place < text.length - 1;
}

export default class Validate {
  /** What the plugin needs of a record. The host takes out these fields and no others. */
  static fields = {
    id: string,
    email: string,
    gender: string,
    post_code: optional(text), // some come as a number, some as a text
  };

  constructor(setup) {
    // The stage's `config` in pipeline.toml: what a gender may be.
    this.config = setup.config({ genders: ["female", "male"] });
    if (this.config.genders.length === 0) throw new Error("`genders` is empty, so every record would be rejected");
  }

  record(user, record) {
    // Codes are counted, so they are few and stay as they are.
    if (!UUID.test(user.id)) return reject("bad_uuid: id");
    if (!isEmail(user.email)) return reject("bad_email: email");
    if (!this.config.genders.includes(user.gender)) return reject("bad_gender: gender");
    if (user.post_code === "") return reject("bad_post_code: post_code");
    return KEEP;
  }
}
