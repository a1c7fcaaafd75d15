/**
 * What a Millstream plugin in JavaScript is made of. Written by `millstream plugin new`; the contract is plugin@0.1.0.
 *
 * A plugin is a class, the default export of its module:
 *
 *     export default class Adults {
 *       static fields = {
 *         email: string,                           // absent, null or no text: the record is rejected
 *         age: optional(integer),                  // absent and null are null
 *         city: optional(at("/location/city", string)),  // a JSON pointer, or a name
 *       };
 *       constructor(setup) {
 *         this.config = setup.config({ least: 18 });
 *       }
 *       record(user, record) {
 *         return (user.age ?? 0) < this.config.least ? drop("minor") : KEEP;
 *       }
 *     }
 *
 * The host takes the fields out of each record's JSON and hands over whole batches as columns; this file makes records of them and
 * packs the verdicts. `Harness` does the same without a host, for tests. There are no files, no network, no clock, no randomness.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

// Kinds of fields, as they cross the border.
const [ABSENT, NULL, STRING, NUMBER, TRUE, FALSE, ARRAY, OBJECT, NOT_JSON, NOT_OBJECT] = Array(10).keys();

// ---- verdicts -----------------------------------------------------------------------------------------------------

/** It goes on as it is. */
export const KEEP = Object.freeze({ code: 0, reason: "", items: [] });

/** It is left out on purpose, counted by the reason: `code`, or `code: detail`. */
export const drop = (reason) => ({ code: 2, reason, items: [] });

/** It is wrong, and goes to the dead letters with the reason: `code`, or `code: detail`. */
export const reject = (reason) => ({ code: 3, reason, items: [] });

/** It goes on with another value, and with its own key unless another one is given. Both are texts or bytes. */
export const replace = (value, key) => ({ code: 1, reason: "", items: [{ value, key }] });

/** These go on in its place: objects with a `value` and, if it is not to be the record's, a `key`. */
export const split = (items) => ({ code: 4, reason: "", items });

const bytes = (value) => (typeof value === "string" ? encoder.encode(value) : value);

// ---- fields -------------------------------------------------------------------------------------------------------

const WRONG = Symbol("of a wrong type");

/** A text. */
export const string = { text: true, read: (kind, text) => (kind === STRING ? text() : WRONG) };

/** A text, a number as it is written, or `true` and `false`, as a text. */
export const text = {
  text: true,
  read: (kind, text) => (kind === STRING || kind === NUMBER ? text() : kind === TRUE ? "true" : kind === FALSE ? "false" : WRONG),
};

/** A whole number, written without point and exponent, that a number of JavaScript holds exactly. */
export const integer = {
  text: true,
  read: (kind, text) => {
    const written = kind === NUMBER ? text() : "";
    return /^-?\d+$/.test(written) && Number.isSafeInteger(Number(written)) ? Number(written) : WRONG;
  },
};

/** Any number. */
export const number = { text: true, read: (kind, text) => (kind === NUMBER ? Number(text()) : WRONG) };

/** `true` or `false`. */
export const boolean = { text: false, read: (kind) => (kind === TRUE ? true : kind === FALSE ? false : WRONG) };

/** As the type, but null where the field is absent or null. */
export const optional = (type) => ({
  ...type,
  read: (kind, text) => (kind <= NULL ? null : type.read(kind, text)),
});

/** A field that is called otherwise in the record: its name, or a JSON pointer such as `/location/city`. */
export const at = (name, type) => ({ ...type, name });

class Field {
  constructor(property, type) {
    this.property = property;
    this.type = type;
    this.written = type.name ?? property;
    this.pointer = this.written.startsWith("/")
      ? this.written
      : "/" + this.written.replaceAll("~", "~0").replaceAll("/", "~1");
  }

  /** The values, record by record. What does not fit is noted in `faults`, unless an earlier field did not either. */
  column(place, textPlace, batch, faults) {
    const rows = batch.rows;
    const kinds = batch.kinds.subarray(place * rows, (place + 1) * rows);
    const cut = this.type.text ? cutter(batch.texts[textPlace]) : () => "";
    const values = new Array(rows);
    for (let row = 0; row < rows; row++) {
      const kind = kinds[row];
      const value = kind >= NOT_JSON ? WRONG : this.type.read(kind, () => cut(row));
      if (value === WRONG) faults[row] ??= this.fault(kind);
      values[row] = value;
    }
    return values;
  }

  fault(kind) {
    if (kind === NOT_JSON) return "not_json";
    if (kind === NOT_OBJECT) return "not_json: root is not an object";
    return `${kind <= NULL ? "missing_field" : "wrong_type"}: ${this.written}`;
  }
}

/** Gives the text of a row. Where a whole column is ASCII its texts are cut out of one, which is quicker than decoding each. */
function cutter({ ends, data }) {
  const whole = decoder.decode(data);
  const start = (row) => (row === 0 ? 0 : ends[row - 1]);
  // In UTF-8 a text has as many bytes as letters only where all are ASCII.
  if (whole.length === data.length) return (row) => whole.slice(start(row), ends[row]);
  return (row) => decoder.decode(data.subarray(start(row), ends[row]));
}

// ---- setup, records, state ----------------------------------------------------------------------------------------

/** The host, within a component; natively, nothing. */
let host;

/** What a plugin is made with: its settings come in, what it needs goes out. */
export class Setup {
  #config;
  configRead = false;
  stores = [];
  version = 1;
  wants = { values: false, keys: false, timestamps: false, seeds: false };

  constructor(config) {
    this.#config = ["", "null"].includes(config.trim()) ? {} : JSON.parse(config);
  }

  /** The stage's settings, with these defaults. Those that have none here are refused, and so are those of another type. */
  config(defaults = {}) {
    this.configRead = true;
    const kind = (value) => (Array.isArray(value) ? "array" : typeof value);
    for (const [name, value] of Object.entries(this.#config)) {
      if (!Object.hasOwn(defaults, name)) {
        const known = Object.keys(defaults).map((known) => `\`${known}\``);
        throw new Refusal(`unknown field \`${name}\`, expected one of ${known.join(", ")}`);
      }
      if (defaults[name] !== null && kind(value) !== kind(defaults[name])) {
        const [like, given] = [defaults[name], value].map((value) => JSON.stringify(value));
        throw new Refusal(`\`${name}\` is to be of the type of ${like}, not ${given}`);
      }
    }
    return { ...defaults, ...this.#config };
  }

  /**
   * Declares a store that the host keeps, whose entries are forgotten after that time, or never. The stage has to grant `state`, and
   * package.json to say `"state": true`.
   */
  store(name, ttlSeconds) {
    if (host && !host.state) {
      throw new Refusal('a store is declared: add `"state": true` to "millstream" in package.json, and build again');
    }
    const ttlMs = ttlSeconds === undefined ? 0n : BigInt(Math.max(1, Math.floor(ttlSeconds * 1000)));
    this.stores.push({ name, ttlMs });
    return new Store(this.stores.length - 1);
  }

  /** Raise it (from 1) whenever what is kept in stores changes its meaning. */
  stateVersion(version) {
    this.version = version;
  }

  /** Asks for the records' bytes: `record.value`. */
  wantValues() {
    this.wants.values = true;
  }

  /** Asks for the records' keys: `record.key`. */
  wantKeys() {
    this.wants.keys = true;
  }

  /** Asks for the records' times: `record.timestampMs`. The stage has to grant `clock`. */
  wantTimestamps() {
    this.wants.timestamps = true;
  }

  /** Asks for random words: `record.seed`. The stage has to grant `random`. */
  wantSeeds() {
    this.wants.seeds = true;
  }

  get settingsAreUnread() {
    return !this.configRead && Object.keys(this.#config).length > 0;
  }
}

/** What a plugin says against its settings or against a batch. */
class Refusal extends Error {}

/** The record under way, beyond its fields. What was not asked for is empty. */
class Record {
  row = 0;
  #batch;

  constructor(batch) {
    this.#batch = batch;
  }

  get value() {
    return item(this.#batch.values, this.row);
  }

  get key() {
    return item(this.#batch.keys, this.row);
  }

  /** Unix milliseconds; null where unknown. */
  get timestampMs() {
    const time = this.#batch.timestamps?.[this.row];
    return time === undefined || time < 0n ? null : Number(time);
  }

  /** Two random words, the same again when the record is replayed. */
  get seed() {
    const seeds = this.#batch.seeds;
    return seeds ? [seeds[2 * this.row], seeds[2 * this.row + 1]] : [0n, 0n];
  }
}

function item(slices, row) {
  if (!slices) return new Uint8Array();
  return slices.data.subarray(row === 0 ? 0 : slices.ends[row - 1], slices.ends[row]);
}

/** State that the host keeps: visible at once, durable together with the record it belongs to. Natively, a map. */
class Store {
  #index;
  #memory = new Map();

  constructor(index) {
    this.#index = index;
  }

  /** Remembers a key: true if it was not there before. */
  putIfAbsent(record, key) {
    if (host) return host.state.putIfAbsent(this.#index, new Uint32Array([record.row]), slices([key]))[0] === 1;
    const name = decoder.decode(bytes(key));
    return !this.#memory.has(name) && this.#memory.set(name, new Uint8Array()) !== undefined;
  }

  /** The value of a key, as bytes; empty where it is absent. */
  get(key) {
    if (host) return host.state.get(this.#index, slices([key])).data;
    return this.#memory.get(decoder.decode(bytes(key))) ?? new Uint8Array();
  }

  /** The value of a key, as a text; empty where it is absent. */
  getText(key) {
    return decoder.decode(this.get(key));
  }

  /** Sets a key to a value, on behalf of a record. */
  put(record, key, value) {
    if (host) host.state.put(this.#index, new Uint32Array([record.row]), slices([key]), slices([value]));
    else this.#memory.set(decoder.decode(bytes(key)), bytes(value));
  }
}

function slices(items) {
  const all = items.map(bytes);
  const ends = new Uint32Array(all.length);
  let length = 0;
  all.forEach((item, i) => (ends[i] = length += item.length));
  const data = new Uint8Array(length);
  all.forEach((item, i) => data.set(item, ends[i] - item.length));
  return { ends, data };
}

const written = (level, name) => (message) => (host ? host.log.write(level, message) : console.log(name, message));

/** The host's log, which is limited. What happens to each record belongs in a verdict. */
export const log = { error: written(0, "error"), warn: written(1, "warn"), info: written(2, "info"), debug: written(3, "debug") };

// ---- the border ---------------------------------------------------------------------------------------------------

/** A plugin with what was declared. */
class Running {
  constructor(Plugin, config) {
    this.setup = new Setup(config);
    this.plugin = new Plugin(this.setup);
    if (this.setup.settingsAreUnread) throw new Refusal("the plugin has no settings; remove the stage's `config`");
    this.fields = Object.entries(Plugin.fields ?? {}).map(([property, type]) => new Field(property, type));
    let texts = 0;
    this.places = this.fields.map((field, place) => [field, place, field.type.text ? texts++ : 0]);
  }

  /** One for each record. */
  verdicts(batch) {
    const faults = new Array(batch.rows);
    const columns = this.places.map(([field, place, text]) => field.column(place, text, batch, faults));
    const record = new Record(batch);
    const verdicts = new Array(batch.rows);
    for (let row = 0; row < batch.rows; row++) {
      if (faults[row] !== undefined) {
        verdicts[row] = reject(faults[row]);
        continue;
      }
      const read = {};
      for (let i = 0; i < columns.length; i++) read[this.fields[i].property] = columns[i][row];
      record.row = row;
      verdicts[row] = this.plugin.record(read, record);
    }
    return verdicts;
  }
}

/** What is exported as the plugin's stage. For `millstream plugin build`. */
export function stage(Plugin, name, version, imports) {
  let running;
  return {
    init(config) {
      host = imports;
      return refusing(() => {
        running = new Running(Plugin, config);
        const { setup, fields } = running;
        return {
          name,
          version,
          stateVersion: setup.version,
          fields: fields.map((field) => ({ pointer: field.pointer, text: field.type.text })),
          stores: setup.stores,
          wantsValues: setup.wants.values,
          wantsKeys: setup.wants.keys,
          wantsTimestamps: setup.wants.timestamps,
          wantsSeeds: setup.wants.seeds,
        };
      });
    },
    process(batch) {
      return refusing(() => packed(running.verdicts(batch), batch));
    },
  };
}

/** An exception of the plugin's is an error of the contract's, which the host lays to the record that caused it. */
function refusing(what) {
  try {
    return what();
  } catch (error) {
    const message = error instanceof Refusal ? error.message : String(error);
    // How the tools hand on an error that is no bug of theirs.
    throw Object.assign(new Error(message), { payload: message });
  }
}

/** The verdicts as they cross the border. */
function packed(verdicts, batch) {
  const codes = new Uint8Array(verdicts.length);
  const out = [];
  const splits = [];
  const keys = [];
  verdicts.forEach(({ code, reason, items }, row) => {
    codes[row] = code;
    if (code === 4) splits.push(items.length);
    for (const { value, key } of items) {
      out.push(value);
      keys.push({ key: key ?? undefined, row });
    }
    if (code === 2 || code === 3) out.push(reason);
  });
  let outKeys;
  if (keys.some(({ key }) => key !== undefined)) {
    if (!batch.keys && keys.some(({ key }) => key === undefined)) {
      throw new Refusal("some records of the batch get a key and others keep theirs: call `wantKeys` in the constructor");
    }
    outKeys = slices(keys.map(({ key, row }) => key ?? item(batch.keys, row)));
  }
  return { codes, out: slices(out), splits: new Uint32Array(splits), outKeys };
}

// ---- tests without a host -----------------------------------------------------------------------------------------

/** Runs a plugin natively: values in, verdicts out. Fields are taken out by `JSON`, state is in memory. */
export class Harness {
  #running;

  constructor(Plugin, config = {}) {
    host = undefined;
    this.#running = new Running(Plugin, JSON.stringify(config));
  }

  /** The pointers of the declared fields. */
  get pointers() {
    return this.#running.fields.map((field) => field.pointer);
  }

  /** One verdict for each value. */
  run(...values) {
    const found = this.#running.fields.map((field) => values.map((value) => lookUp(value, field.pointer)));
    const texts = found.filter((_, i) => this.#running.fields[i].type.text);
    return this.#running.verdicts({
      rows: values.length,
      kinds: new Uint8Array(found.flat().map(({ kind }) => kind)),
      texts: texts.map((column) => slices(column.map(({ text }) => text))),
      values: slices(values),
      keys: slices(values.map(() => "")),
    });
  }
}

function lookUp(value, pointer) {
  let found;
  try {
    found = JSON.parse(typeof value === "string" ? value : decoder.decode(value));
  } catch {
    return { kind: NOT_JSON, text: "" };
  }
  if (found === null || typeof found !== "object" || Array.isArray(found)) return { kind: NOT_OBJECT, text: "" };
  for (const name of pointer.split("/").slice(1)) {
    const plain = name.replaceAll("~1", "/").replaceAll("~0", "~");
    if (found === null || typeof found !== "object" || !Object.hasOwn(found, plain)) return { kind: ABSENT, text: "" };
    found = found[plain];
  }
  if (typeof found === "string") return { kind: STRING, text: found };
  if (typeof found === "number") return { kind: NUMBER, text: String(found) };
  if (typeof found === "boolean") return { kind: found ? TRUE : FALSE, text: "" };
  return { kind: found === null ? NULL : Array.isArray(found) ? ARRAY : OBJECT, text: "" };
}
