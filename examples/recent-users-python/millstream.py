"""What a Millstream plugin in Python is made of. Written by `millstream plugin new`; the contract is plugin@0.1.0.

A plugin is a class with two methods, and a class of the fields that it needs:

    @fields
    class User:
        email: str                              # absent, null or no text: the record is rejected
        age: int | None                         # absent and null are None
        city: str | None = at("/location/city") # a JSON pointer, or a name

    @plugin
    class Adults:
        fields = User

        def __init__(self, setup):
            self.config = setup.config(least=18)

        def record(self, user, record):
            return drop("minor") if (user.age or 0) < self.config.least else KEEP

The host takes the fields out of each record's JSON and hands over whole batches as columns; this file makes records of them and
packs the verdicts. `run` does the same without a host, for tests. There are no files, no network, no clock and no randomness.
"""

import json
import types
import typing
from collections import namedtuple
from itertools import repeat

try:  # within a component
    from componentize_py_types import Err
    import wit_world
    from wit_world.imports import log as _log
    from wit_world.imports.types import Descriptor, Field, Outcome, Slices, Store as DeclaredStore

    try:
        from wit_world.imports import state as _state
    except ImportError:
        _state = None  # `state = true` is missing in pyproject.toml
except ImportError:  # natively, in a test
    wit_world = _log = None

# Kinds of fields, as they cross the border.
ABSENT, NULL, STRING, NUMBER, TRUE, FALSE, ARRAY, OBJECT, NOT_JSON, NOT_OBJECT = range(10)


# ---- verdicts ------------------------------------------------------------------------------------------------------


class Verdict(namedtuple("Verdict", ["code", "reason", "items"], defaults=["", ()])):
    """What becomes of a record. Made by the functions below."""

    __slots__ = ()


#: It goes on as it is.
KEEP = Verdict(0)


def drop(reason):
    """It is left out on purpose, counted by the reason: `code`, or `code: detail`."""
    return Verdict(2, reason)


def reject(reason):
    """It is wrong, and goes to the dead letters with the reason: `code`, or `code: detail`."""
    return Verdict(3, reason)


def replace(value, key=None):
    """It goes on with another value, and with its own key unless another one is given. Texts are written as UTF-8."""
    return Verdict(1, "", ((_bytes(value), None if key is None else _bytes(key)),))


def split(items):
    """These go on in its place: values, or pairs of a value and a key."""
    pairs = [item if isinstance(item, tuple) else (item, None) for item in items]
    return Verdict(4, "", tuple((_bytes(value), None if key is None else _bytes(key)) for value, key in pairs))


def _bytes(value):
    return value.encode() if isinstance(value, str) else bytes(value)


# ---- fields --------------------------------------------------------------------------------------------------------


class Text(str):
    """The type of a field that is a text, a number (as it is written) or `true` and `false`; its value is a `str`."""


class _At(typing.NamedTuple):
    name: str


def at(name):
    """A field that is called otherwise in the record: its name, or a JSON pointer such as `/location/city`."""
    return _At(name)


def _integer(text):
    value = int(text)  # JSON has no `_`, no blanks and no other digits, so this takes what is written without point and exponent
    if not -(2**63) <= value < 2**63:
        raise ValueError("it does not fit 64 bits")
    return value


#: By type: the kinds that it takes, and what makes a value of the text.
_TYPES = {
    str: ((STRING,), bytes.decode),
    Text: ((STRING, NUMBER), bytes.decode),
    int: ((NUMBER,), _integer),
    float: ((NUMBER,), float),
    bool: ((), None),
}


class _Field:
    """One declared field: takes its column out of a batch."""

    def __init__(self, name, annotation, default):
        self.written = default.name if isinstance(default, _At) else name
        choices = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
        self.optional = type(None) in choices
        (self.type,) = (choice for choice in choices if choice is not type(None))
        if self.type not in _TYPES:
            raise TypeError(f"`{name}`: a field is str, Text, int, float or bool, or one of them `| None`, not {annotation}")
        if self.written.startswith("/"):
            self.pointer = self.written
        else:
            self.pointer = "/" + self.written.replace("~", "~0").replace("/", "~1")
        kinds, self.convert = _TYPES[self.type]
        self.takes = bytes(kind in kinds for kind in range(10))
        self.words = {}
        if self.type is bool:
            self.words = {TRUE: True, FALSE: False}
        elif self.type is Text:
            self.words = {TRUE: "true", FALSE: "false"}
        if self.optional:
            self.words |= {ABSENT: None, NULL: None}

    def column(self, place, text_place, batch, faults):
        """The values, record by record. What does not fit is noted in `faults`, unless an earlier field did not either."""
        rows = batch.rows
        kinds = batch.kinds[place * rows : (place + 1) * rows]
        if self.type is bool:
            ends, data = repeat(0, rows), b""
        else:
            texts = batch.texts[text_place]
            ends, data = texts.ends, texts.data
            if self.type is str and kinds.count(STRING) == rows:
                return _texts(ends, data)
        takes, words, convert = self.takes, self.words, self.convert
        values, start = [], 0
        for row, (kind, end) in enumerate(zip(kinds, ends)):
            value = None
            if takes[kind]:
                try:
                    value = convert(data[start:end])
                except ValueError:
                    faults[row] = faults[row] or f"wrong_type: {self.written}"
            elif kind in words:
                value = words[kind]
            else:
                faults[row] = faults[row] or self.fault(kind)
            values.append(value)
            start = end
        return values

    def fault(self, kind):
        if kind == NOT_JSON:
            return "not_json"
        if kind == NOT_OBJECT:
            return "not_json: root is not an object"
        return f"{'missing_field' if kind <= NULL else 'wrong_type'}: {self.written}"


def _is_union(annotation):
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _texts(ends, data):
    """Texts of a column that has nothing else. Where all are ASCII they are cut out of one text, which is quicker."""
    if data.isascii():
        data = data.decode("ascii")
        starts = [0, *ends]
        return [data[start:end] for start, end in zip(starts, ends)]
    starts = [0, *ends]
    return [data[start:end].decode() for start, end in zip(starts, ends)]


def fields(cls):
    """Makes the annotated class what `record` is given of each record."""
    hints = typing.get_type_hints(cls)
    declared = [_Field(name, hint, cls.__dict__.get(name)) for name, hint in hints.items()]
    made = namedtuple(cls.__name__, hints.keys())
    return type(cls.__name__, (made,), {"__slots__": (), "__doc__": cls.__doc__, "_declared": declared})


# ---- setup, records, state -----------------------------------------------------------------------------------------


class Setup:
    """What a plugin is made with: its settings come in, what it needs goes out."""

    def __init__(self, config):
        self._config = json.loads(config) if config.strip() not in ("", "null") else {}
        self._config_read = False
        self._stores = []
        self._state_version = 1
        self._wants = {"values": False, "keys": False, "timestamps": False, "seeds": False}

    def config(self, **defaults):
        """The stage's settings, with these defaults. Those that have none here are refused, and so are those of another type."""
        self._config_read = True
        for name, value in self._config.items():
            if name not in defaults:
                known = ", ".join(f"`{name}`" for name in defaults)
                raise ValueError(f"unknown field `{name}`, expected one of {known}")
            default = defaults[name]
            if default is not None and type(value) is not type(default):
                raise ValueError(f"`{name}` is to be of the type of {json.dumps(default)}, not {json.dumps(value)}")
        return types.SimpleNamespace(**{**defaults, **self._config})

    def store(self, name, ttl_seconds=None):
        """Declares a store that the host keeps, whose entries are forgotten after that time, or never. The stage has to grant
        `state`, and pyproject.toml to say `state = true`."""
        if wit_world is not None and _state is None:
            raise ValueError("a store is declared: add `state = true` below [tool.millstream] in pyproject.toml, and build again")
        ttl_ms = 0 if ttl_seconds is None else max(1, int(ttl_seconds * 1000))
        self._stores.append((name, ttl_ms))
        return Store(len(self._stores) - 1)

    def state_version(self, version):
        """Raise it (from 1) whenever what is kept in stores changes its meaning."""
        self._state_version = version

    def want_values(self):
        """Asks for the records' bytes: `record.value`."""
        self._wants["values"] = True

    def want_keys(self):
        """Asks for the records' keys: `record.key`."""
        self._wants["keys"] = True

    def want_timestamps(self):
        """Asks for the records' times: `record.timestamp_ms`. The stage has to grant `clock`."""
        self._wants["timestamps"] = True

    def want_seeds(self):
        """Asks for random words: `record.seed`. The stage has to grant `random`."""
        self._wants["seeds"] = True


class Record:
    """The record under way, beyond its fields. What was not asked for is empty."""

    __slots__ = ("_batch", "row")

    def __init__(self, batch):
        self._batch = batch
        self.row = 0

    @property
    def value(self):
        return _item(self._batch.values, self.row)

    @property
    def key(self):
        return _item(self._batch.keys, self.row)

    @property
    def timestamp_ms(self):
        """Unix milliseconds; None where unknown."""
        times = self._batch.timestamps
        return None if times is None or times[self.row] < 0 else times[self.row]

    @property
    def seed(self):
        """Two random words, the same again when the record is replayed."""
        seeds = self._batch.seeds
        return (0, 0) if seeds is None else (seeds[2 * self.row], seeds[2 * self.row + 1])


def _item(slices, row):
    if slices is None:
        return b""
    return slices.data[slices.ends[row - 1] if row else 0 : slices.ends[row]]


class Store:
    """State that the host keeps: visible at once, durable together with the record it belongs to. Natively, a dictionary."""

    def __init__(self, index):
        self._index = index
        self._memory = {}

    def put_if_absent(self, record, key):
        """Remembers a key: True if it was not there before."""
        key = _bytes(key)
        if wit_world is None:
            return key not in self._memory and self._memory.update({key: b""}) is None
        return _state.put_if_absent(self._index, [record.row], Slices([len(key)], key)) == b"\x01"

    def get(self, key):
        """The value of a key; empty where it is absent."""
        key = _bytes(key)
        if wit_world is None:
            return self._memory.get(key, b"")
        return _state.get(self._index, Slices([len(key)], key)).data

    def put(self, record, key, value):
        """Sets a key to a value, on behalf of a record."""
        key, value = _bytes(key), _bytes(value)
        if wit_world is None:
            self._memory[key] = value
        else:
            _state.put(self._index, [record.row], Slices([len(key)], key), Slices([len(value)], value))


class log:
    """The host's log, which is limited. What happens to each record belongs in a verdict."""

    @staticmethod
    def error(message):
        _write_log(0, message)

    @staticmethod
    def warn(message):
        _write_log(1, message)

    @staticmethod
    def info(message):
        _write_log(2, message)

    @staticmethod
    def debug(message):
        _write_log(3, message)


def _write_log(level, message):
    if _log is None:
        print(("error", "warn", "info", "debug")[level], message)
    else:
        _log.write(level, message)


# ---- the border ----------------------------------------------------------------------------------------------------

_exported = None


def plugin(cls):
    """Makes the class the plugin of this project."""
    global _exported
    _exported = cls
    return cls


class _Running:
    """A plugin with what was declared."""

    def __init__(self, cls, config):
        self.setup = Setup(config)
        self.plugin = cls(self.setup) if cls.__init__ is not object.__init__ else cls()
        if self.setup._config and not self.setup._config_read:
            raise ValueError("the plugin has no settings; remove the stage's `config`")
        self.make = getattr(cls, "fields", None)
        self.declared = self.make._declared if self.make else []
        self.places, texts = [], 0
        for place, field in enumerate(self.declared):
            self.places.append((field, place, texts))
            texts += field.type is not bool

    def verdicts(self, batch):
        """One for each record."""
        faults = [None] * batch.rows
        columns = [field.column(place, text, batch, faults) for field, place, text in self.places]
        make = self.make._make if self.make else lambda _: None
        judge, record, verdicts = self.plugin.record, Record(batch), []
        for row, (fault, values) in enumerate(zip(faults, zip(*columns) if columns else repeat(()))):
            if fault is None:
                record.row = row
                verdicts.append(judge(make(values), record))
            else:
                verdicts.append(reject(fault))
        return verdicts


def stage(name, version):
    """The class that is exported as the plugin's stage. For `millstream plugin build`."""
    if _exported is None:
        raise RuntimeError("the module has no plugin: put `@plugin` before its class")
    running = None

    class Stage:  # one is made for each call, so it keeps nothing itself
        def init(self, config):
            nonlocal running
            running = _refusing(lambda: _Running(_exported, config))
            setup, wants = running.setup, running.setup._wants
            return Descriptor(
                name=name,
                version=version,
                state_version=setup._state_version,
                fields=[Field(field.pointer, field.type is not bool) for field in running.declared],
                stores=[DeclaredStore(store, ttl_ms) for store, ttl_ms in setup._stores],
                wants_values=wants["values"],
                wants_keys=wants["keys"],
                wants_timestamps=wants["timestamps"],
                wants_seeds=wants["seeds"],
            )

        def process(self, b):
            return _refusing(lambda: _packed(running.verdicts(b), b))

    return Stage


def _refusing(what):
    """An exception of the plugin's is an error of the contract's, which the host lays to the record that caused it."""
    try:
        return what()
    except Exception as error:
        raise Err(str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}")


def _packed(verdicts, batch):
    """The verdicts as they cross the border."""
    ends, data, splits, keys, inherits = [], bytearray(), [], [], False
    for row, verdict in enumerate(verdicts):
        code = verdict.code
        if code == 0:
            continue
        if code == 4:
            splits.append(len(verdict.items))
        for value, key in verdict.items:
            data += value
            ends.append(len(data))
            keys.append((key, row))
        if code in (2, 3):
            data += verdict.reason.encode()
            ends.append(len(data))
    out_keys = None
    if any(key is not None for key, _ in keys):
        if batch.keys is None and any(key is None for key, _ in keys):
            raise ValueError("some records of the batch get a key and others keep theirs: call `want_keys` in `__init__`")
        out_keys = _slices(_item(batch.keys, row) if key is None else key for key, row in keys)
    codes = bytes(verdict.code for verdict in verdicts)
    return Outcome(codes=codes, out=Slices(ends, bytes(data)), splits=splits, out_keys=out_keys)


def _slices(items):
    ends, data = [], bytearray()
    for item in items:
        data += item
        ends.append(len(data))
    return Slices(ends, bytes(data))


# ---- tests without a host ------------------------------------------------------------------------------------------


class Harness:
    """Runs a plugin natively: values in, verdicts out. Fields are taken out by the `json` module, state is in memory."""

    def __init__(self, cls, **config):
        self._running = _Running(cls, json.dumps(config))

    @property
    def pointers(self):
        """The pointers of the declared fields."""
        return [field.pointer for field in self._running.declared]

    def run(self, *values):
        """One verdict for each value."""
        values = [_bytes(value) for value in values]
        kinds, texts = bytearray(), []
        for field in self._running.declared:
            found = [_look_up(value, field.pointer) for value in values]
            kinds += bytes(kind for kind, _ in found)
            if field.type is not bool:
                texts.append(_native_slices([text.encode() for _, text in found]))
        batch = types.SimpleNamespace(
            rows=len(values),
            kinds=bytes(kinds),
            texts=texts,
            values=_native_slices(values),
            keys=_native_slices([b""] * len(values)),
            timestamps=None,
            seeds=None,
        )
        return self._running.verdicts(batch)


def _native_slices(items):
    ends, data = [], b"".join(items)
    for item in items:
        ends.append((ends[-1] if ends else 0) + len(item))
    return types.SimpleNamespace(ends=ends, data=data)


class _Written(str):
    """A number as it is written."""


def _look_up(value, pointer):
    try:
        found = json.loads(value, parse_int=_Written, parse_float=_Written)
    except ValueError:
        return NOT_JSON, ""
    if not isinstance(found, dict):
        return NOT_OBJECT, ""
    for name in pointer.split("/")[1:]:
        name = name.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdigit() and str(int(name)) == name and int(name) < len(found):
            found = found[int(name)]
        else:
            return ABSENT, ""
    if isinstance(found, str):
        return (NUMBER if isinstance(found, _Written) else STRING), str(found)
    kinds = {type(None): NULL, list: ARRAY, dict: OBJECT}
    return (TRUE if found else FALSE) if isinstance(found, bool) else kinds[type(found)], ""
