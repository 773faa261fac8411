// WinDbg commands for ferronvme: what its adapters, queues, requests, work items and trace ring hold, in a live system or a dump.
//
//   .scriptload C:\ferronvme\ferro.js
//   !ferro_adapters      !ferro_queues      !ferro_inflight      !ferro_workitems      !ferro_trace
//
// Each also as dx @$ferro_adapters() and as dx @$ferro().adapters(), and so on. A dot in the command itself cannot be: to WinDbg,
// !ferro.adapters is the command "adapters" of an extension DLL "ferro". The symbols of the very image are needed (ferronvme.pdb of its package).
// Layouts come from the symbols, so that the script fits the build that is looked at.
//
// Checked on Linux against memory of the driver in the lab (./x winface); not yet run in WinDbg.
"use strict";

const MODULE = "ferronvme";
const EXTENSION = "storport::extension::Extension<ferronvme::FerroNvme>";
const ADAPTERS = "storport::debugger::ADAPTERS";
const SRB = "wdk_sys::types::bindings::_STORAGE_REQUEST_BLOCK";
const CDB = "wdk_sys::types::bindings::_SRBEX_DATA_SCSI_CDB16";
const LIST = "storport::debugger::Adapters";

const LIVE = 0x4C495645;
const STATES = ["down", "ready", "recovering", "stopped", "failed"];
const FUNCTIONS = {
    0x00: "EXECUTE_SCSI", 0x02: "IO_CONTROL", 0x07: "SHUTDOWN", 0x08: "FLUSH", 0x12: "RESET_BUS", 0x13: "RESET_DEVICE",
    0x20: "RESET_LOGICAL_UNIT", 0x24: "POWER", 0x25: "PNP",
};
// Ids, names and values: crates/ferronvme-events.
const EVENTS = {
    1001: ["AdapterFound", ["version", "capabilities", "max_transfer", "life"]],
    1002: ["AdapterStarted", ["pairs", "messages", "namespaces"]],
    1003: ["StartFailed", ["phase", "failure", "detail"]],
    1004: ["AdapterStopping", ["why", "in_flight"]],
    1005: ["AdapterStopped", ["why", "failure", "duration_us"]],
    1006: ["AdapterRestarting", []],
    1007: ["AdapterReady", ["pairs", "entries", "duration_us"]],
    1008: ["AdapterFailed", ["failure", "detail"]],
    1009: ["ControllerGone", ["in_flight"]],
    1101: ["ResetBegun", ["reason", "in_flight"]],
    1102: ["ResetEnded", ["reason", "failure", "duration_us", "in_flight"]],
    1103: ["ControlFailed", ["failure", "detail"]],
    1111: ["UnitResetBegun", ["namespace", "in_flight"]],
    1112: ["UnitResetEnded", ["namespace", "srb_status"]],
    1113: ["AbortSent", ["queue", "command_id", "suppressed"]],
    1114: ["AbortEnded", ["status", "result", "suppressed"]],
    1121: ["CommandFailed", ["status", "operation", "lun", "suppressed"]],
    1122: ["CompletionUnknown", ["queue", "named_queue", "command_id", "suppressed"]],
    1123: ["AdminFailed", ["status", "result", "suppressed"]],
    1131: ["AsyncEvent", ["result", "status"]],
    1132: ["HealthRead", ["warning", "temperature", "spare", "used"]],
    1133: ["HealthWarning", ["warning", "temperature", "spare", "used"]],
    1134: ["NamespacesChanged", ["added", "removed", "changed", "ignored"]],
    1135: ["NamespaceHidden", ["namespace", "reason"]],
    1201: ["EventsLost", ["count"]],
};

// ---------------------------------------------------------------------------------------------------------------------------
// Numbers of 64 bits: WinDbg's script engine has no BigInt.

class U64 {
    constructor(low, high) {
        this.low = low >>> 0;
        this.high = high >>> 0;
    }

    get isZero() {
        return this.low === 0 && this.high === 0;
    }

    plus(number) {
        const low = this.low + number % 0x100000000;
        const carry = Math.floor(low / 0x100000000);
        return new U64(low % 0x100000000, this.high + Math.floor(number / 0x100000000) + carry);
    }

    // `count` bits from bit `from` on, at most 32.
    bits(from, count) {
        const shifted = from >= 32 ? this.high >>> (from - 32)
            : from === 0 ? this.low
            : (this.low >>> from | this.high << (32 - from)) >>> 0;
        return count === 32 ? shifted : (shifted & (2 ** count - 1)) >>> 0;
    }

    // Exact up to 2^53.
    toNumber() {
        return this.high * 0x100000000 + this.low;
    }

    toString() {
        const low = this.low.toString(16);
        return "0x" + (this.high === 0 ? low : this.high.toString(16) + "00000000".slice(low.length) + low);
    }
}

// ---------------------------------------------------------------------------------------------------------------------------
// A value of a type at an address. The target gives types, symbols and memory: WinDbg, or a capture (tests).

class View {
    constructor(target, type, address) {
        this.target = target;
        this.type = type;
        this.address = address;
    }

    // The member that is reached by these names and indices.
    at(...path) {
        let view = this;
        for (const step of path) {
            view = typeof step === "number" ? view.element(step) : view.member(step);
        }
        return view;
    }

    member(name) {
        const field = this.type.field(name);
        if (!field) {
            throw new Error(`${this.type.name} has no member ${name}: the symbols are of another version`);
        }
        return new View(this.target, field.type, this.address.plus(field.offset));
    }

    element(index) {
        const element = this.type.element;
        return new View(this.target, element, this.address.plus(index * element.size));
    }

    get length() {
        return Math.floor(this.type.size / this.type.element.size);
    }

    // What an atomic or a cell holds.
    get value() {
        let view = this;
        for (;;) {
            const inner = ["v", "p", "value", "__0"].find((name) => view.type.field(name));
            if (!inner) {
                return view;
            }
            view = view.member(inner);
        }
    }

    number() {
        const view = this.value;
        const size = view.type.size;
        return size === 8 ? view.u64().toNumber() : this.target.read(view.address, 1, size)[0];
    }

    u64() {
        const [low, high] = this.target.read(this.value.address, 2, 4);
        return new U64(low, high);
    }

    bytes(count) {
        return this.target.read(this.address, count, 1);
    }
}

const hex = (number) => "0x" + number.toString(16);

// ---------------------------------------------------------------------------------------------------------------------------
// What the commands find.

// The extensions that the driver lists, as views.
function extensions(target) {
    const list = new View(target, target.type(LIST), target.symbol(ADAPTERS)).member("__0");
    const found = [];
    for (let index = 0; index < list.length; index++) {
        const address = list.element(index).u64();
        if (!address.isZero) {
            found.push(new View(target, target.type(EXTENSION), address));
        }
    }
    return found;
}

function adapter(extension) {
    const header = extension.member("header");
    const own = extension.at("adapter", "value");
    const rundown = header.at("rundown", "word").number();
    return {
        extension: extension.address.toString(),
        live: header.member("life").number() === LIVE,
        state: STATES[own.member("state").number()] || "unknown",
        bus: header.member("bus_number").number(),
        slot: header.member("slot_number").number(),
        started: (header.member("started").number() & 1) !== 0,
        removal: (rundown & 0x80000000) !== 0,
        references: rundown & 0x3FFFFFFF,
        channels: header.member("channels").number(),
        messages: header.member("messages").number(),
        timesFound: header.member("times_found").number(),
        pairs: own.member("pairs").number(),
        paused: own.member("paused").number() !== 0,
        unitReset: !own.at("unit_reset", "places", 0).u64().isZero,
    };
}

function adapters(target) {
    return extensions(target).map(adapter);
}

// Slots of a command table: [index, state word] of those in use.
function slots(table) {
    const found = [];
    const all = table.member("slots");
    for (let index = 0; index < all.length; index++) {
        const state = all.at(index, "state").number();
        if ((state & 3) !== 0) {
            found.push([index, state]);
        }
    }
    return found;
}

function tableOf(table) {
    return {
        queue: table.member("queue").number(),
        open: (table.member("gate").number() & 1) !== 0,
        epoch: table.member("epoch").number(),
        inFlight: slots(table).length,
    };
}

// Above it is the phase.
function headOf(completion) {
    return completion.member("cursor").number() & 0xFFFF;
}

function isOfExchanges(index, pairs) {
    return pairs > 1 && index === pairs - 1;
}

function queues(extension) {
    const own = extension.at("adapter", "value");
    const rings = own.at("control", "value", "value", "rings", "admin");
    const admin = {
        kind: "admin",
        entries: rings.at("submission", "entries").number(),
        tail: rings.at("submission", "tail").number(),
        head: headOf(rings.member("completion")),
    };
    const found = [Object.assign(admin, tableOf(rings.member("table")))];
    const pairs = own.member("pairs").number();
    for (let index = 0; index < pairs; index++) {
        const queue = own.at("queues", index);
        // The last pair, unless it is the only one, is that of requests that take several commands, whose rings the StartIo lock guards.
        const exchanges = isOfExchanges(index, pairs) ? extension.at("start_io", "value", "exchanges") : null;
        // DPC 0 is the control path's.
        const completion = exchanges ? exchanges.member("completion")
            : extension.at("table", "dpcs", index + 1, "state", "value", "ring", "ring");
        const submission = exchanges ? exchanges.member("submission")
            : own.at("producers", "values", index, "value", "ring");
        found.push(Object.assign({
            kind: exchanges ? "multi" : "I/O",
            entries: queue.member("life").u64().bits(0, 16),
            tail: submission.member("tail").number(),
            head: headOf(completion),
            submitting: queue.member("submitting").number() !== 0,
        }, tableOf(queue.member("table"))));
    }
    return found;
}

// What an SRB says of itself.
function srb(target, address) {
    const view = new View(target, target.type(SRB), address);
    const said = { srb: address.toString() };
    if (view.member("Function").number() !== 0x28) {
        said.function = hex(view.member("Function").number());
        return said;
    }
    const kind = view.member("SrbFunction").number();
    said.function = FUNCTIONS[kind] || hex(kind);
    said.bytes = view.member("DataTransferLength").number();
    const where = view.member("AddressOffset").number();
    if (where !== 0) {
        // STOR_ADDR_BTL8: Path, Target, Lun from byte 8 on.
        const [path, id, lun] = target.read(address.plus(where + 8), 3, 1);
        Object.assign(said, { path, target: id, lun });
    }
    if (kind === 0 && view.member("NumSrbExData").number() !== 0) {
        const element = new View(target, target.type(CDB), address.plus(view.at("SrbExDataOffset", 0).number()));
        const length = Math.min(element.member("CdbLength").number(), 16);
        said.cdb = element.member("Cdb").bytes(length).map((byte) => ("0" + byte.toString(16)).slice(-2)).join(" ");
    }
    return said;
}

function inflight(extension) {
    const own = extension.at("adapter", "value");
    const found = [];
    const pairs = own.member("pairs").number();
    for (let index = 0; index < pairs; index++) {
        const queue = own.at("queues", index);
        const table = queue.member("table");
        const size = table.member("slots").length;
        for (const [slot, state] of slots(table)) {
            // A command of such a request names the request's place, not its own.
            const pointer = isOfExchanges(index, pairs)
                ? own.at("exchange_srbs", "places", table.at("slots", slot, "payload").number()).u64()
                : queue.at("srbs", "places", slot).u64();
            const generation = state >>> 2;
            found.push(Object.assign({
                queue: table.member("queue").number(),
                commandId: (generation * size + slot) % 0x10000,
                slot,
                generation,
                taken: (state & 3) === 2,
                namespace: table.at("slots", slot, "key").number(),
            }, pointer.isZero ? { srb: null } : srb(extension.target, pointer)));
        }
    }
    return found;
}

function slotState(word, kind) {
    if (word.bits(5, 1) === 0) {
        return "vacant";
    }
    const running = word.bits(8, 8);
    const states = [];
    if (word.bits(3, 1) !== 0) {
        states.push("closing");
    }
    if (kind === "work item" ? word.bits(2, 1) !== 0 : word.bits(1, 1) !== 0) {
        states.push(kind === "work item" ? "queued" : "armed");
    }
    if (running !== 0) {
        states.push(`${running} running`);
    }
    return states.length === 0 ? "idle" : states.join(", ");
}

function workitems(extension) {
    const table = extension.member("table");
    const found = [];
    for (const [kind, name, handle] of [["work item", "work_items", "worker"], ["timer", "timers", "timer"]]) {
        const all = table.member(name);
        for (let index = 0; index < all.length; index++) {
            const word = all.at(index, "state").u64();
            found.push({
                kind,
                index,
                state: slotState(word, kind),
                generation: word.high,
                running: word.bits(8, 8),
                calling: word.bits(16, 8),
                handle: all.at(index, handle).u64().toString(),
            });
        }
    }
    const dpcs = table.member("dpcs");
    for (let index = 0; index < dpcs.length; index++) {
        const issued = dpcs.at(index, "issued").number();
        if (issued !== 0) {
            found.push({ kind: "DPC", index, state: ["idle", "queued", "running", "running, and will again"][issued] || "unknown" });
        }
    }
    return found;
}

// The trace ring's records, oldest first.
function trace(extension) {
    const ring = extension.at("adapter", "value", "trace", "ring");
    const magic = ring.bytes(16).map((byte) => String.fromCharCode(byte)).join("");
    const version = ring.member("version").number();
    if (magic !== "FERRO.TRACE.RING" || version !== 1) {
        return { begun: 0, lost: 0, records: [] };
    }
    // The header says where the records are, whatever the symbols say.
    const first = ring.member("header_bytes").number();
    const bytes = ring.member("record_bytes").number();
    const count = ring.member("records").number();
    const begun = ring.member("next").number();
    const records = [];
    for (let number = Math.max(0, begun - count); number < begun; number++) {
        const place = ring.address.plus(first + (number % count) * bytes);
        const words = extension.target.read(place, 14, 4);
        // Its number plus one, if the record is whole.
        if (words[0] + words[1] * 0x100000000 !== number + 1) {
            continue;
        }
        const [name, fields] = EVENTS[words[4]] || [`event ${words[4]}`, ["value0", "value1", "value2", "value3"]];
        const values = {};
        fields.forEach((field, index) => {
            values[field] = new U64(words[6 + 2 * index], words[7 + 2 * index]).toNumber();
        });
        records.push({ number, microseconds: words[2] + words[3] * 0x100000000, id: words[4], name, values });
    }
    return { begun, lost: ring.member("lost").number(), records };
}

// ---------------------------------------------------------------------------------------------------------------------------
// What the commands print: lines.

function eachAdapter(target, say) {
    const found = extensions(target);
    const lines = found.length === 0 ? ["no adapter is listed"] : [];
    for (const extension of found) {
        if (extension.at("header", "life").number() !== LIVE) {
            lines.push(`${extension.address}: not an adapter any more`);
            continue;
        }
        lines.push(...say(extension));
    }
    return lines;
}

const commands = {
    ferro_adapters: (target) => eachAdapter(target, (extension) => {
        const one = adapter(extension);
        return [
            `adapter ${one.extension}: ${one.state}, bus ${one.bus} slot ${hex(one.slot)}, ${one.pairs} queue pairs, ` +
                `${one.channels} channels, ${one.messages} messages`,
            `    found ${one.timesFound} times, ${one.started ? "started" : "not started"}, ` +
                `${one.removal ? "being removed, " : ""}${one.references} references` +
                `${one.paused ? ", paused" : ""}${one.unitReset ? ", a unit reset waits" : ""}`,
        ];
    }),

    ferro_queues: (target) => eachAdapter(target, (extension) => [
        `adapter ${extension.address}`,
        "    queue  kind   entries  in flight   tail   head  epoch",
        ...queues(extension).map((queue) =>
            `    ${pad(queue.queue, 5)}  ${(queue.kind + "     ").slice(0, 5)}  ${pad(queue.entries, 7)}  ` +
            `${pad(queue.inFlight, 9)}  ${pad(queue.tail, 5)}  ${pad(queue.head, 5)}  ${pad(queue.epoch, 5)}` +
            `${queue.open ? "" : "  closed"}${queue.submitting ? "  submitting" : ""}`),
    ]),

    ferro_inflight: (target) => eachAdapter(target, (extension) => {
        const found = inflight(extension);
        return [
            `adapter ${extension.address}: ${found.length} in flight`,
            ...found.map((one) =>
                `    queue ${one.queue} command ${hex(one.commandId)} namespace ${one.namespace}` +
                `${one.taken ? " (being completed)" : ""}: ` +
                (one.srb === null ? "no SRB"
                    : `SRB ${one.srb} ${one.function}` +
                      (one.lun === undefined ? "" : ` ${one.path}:${one.target}:${one.lun}`) +
                      (one.bytes === undefined ? "" : ` ${one.bytes} bytes`) +
                      (one.cdb === undefined ? "" : ` CDB ${one.cdb}`))),
        ];
    }),

    ferro_workitems: (target) => eachAdapter(target, (extension) => [
        `adapter ${extension.address}`,
        ...workitems(extension).map((one) =>
            `    ${one.kind} ${one.index}: ${one.state}` +
            (one.generation === undefined ? "" : `, generation ${one.generation}, object ${one.handle}`)),
    ]),

    ferro_trace: (target) => eachAdapter(target, (extension) => {
        const { begun, lost, records } = trace(extension);
        return [
            `adapter ${extension.address}: ${begun} records so far, ${lost} overwritten before they were handed on`,
            ...records.map((one) =>
                `    ${pad(one.number, 6)}  ${pad((one.microseconds / 1e6).toFixed(6), 16)} s  ${one.id} ${one.name}` +
                Object.keys(one.values).map((name) => ` ${name}=${hex(one.values[name])}`).join("")),
        ];
    }),
};

function pad(value, width) {
    const text = String(value);
    return " ".repeat(Math.max(0, width - text.length)) + text;
}

// ---------------------------------------------------------------------------------------------------------------------------
// WinDbg as a target. Pages: "JavaScript debugger scripting", "Native debugger objects in JavaScript extensions" (type objects).

// A size, an offset: a number, or WinDbg's own 64-bit number.
const plain = (value) => typeof value === "number" ? value : value.asNumber();

class WinDbgType {
    constructor(type) {
        this.raw = type;
        this.name = type.name;
        this.size = plain(type.size);
    }

    get element() {
        return new WinDbgType(this.raw.baseType);
    }

    field(name) {
        if (this.raw.typeKind !== "udt") {
            return undefined;
        }
        const field = this.raw.fields[name];
        return field && { offset: plain(field.offset), type: new WinDbgType(field.type) };
    }
}

class WinDbg {
    constructor() {
        this.types = new Map();
    }

    type(name) {
        if (!this.types.has(name)) {
            const type = host.getModuleType(MODULE, name);
            if (!type) {
                throw new Error(`the symbols of ${MODULE} have no type ${name}: .reload /f ${MODULE}.sys`);
            }
            this.types.set(name, new WinDbgType(type));
        }
        return this.types.get(name);
    }

    symbol(name) {
        const address = host.getModuleSymbolAddress(MODULE, name);
        if (!address) {
            throw new Error(`the symbols of ${MODULE} have no ${name}: .reload /f ${MODULE}.sys`);
        }
        return new U64(address.getLowPart(), address.getHighPart());
    }

    read(address, count, size) {
        return host.memory.readMemoryValues(new host.Int64(address.low, address.high), count, size);
    }
}

function inWinDbg(name) {
    return () => {
        for (const line of commands[name](new WinDbg())) {
            host.diagnostics.debugLog(line + "\n");
        }
    };
}

// @$ferro(): the commands as methods of one object, by their names without the prefix.
function namespace() {
    const object = {};
    for (const name of Object.keys(commands)) {
        object[name.replace(/^ferro_/, "")] = inWinDbg(name);
    }
    return object;
}

function initializeScript() {
    const aliases = Object.keys(commands).map((name) => new host.functionAlias(inWinDbg(name), name));
    return [new host.apiVersionSupport(1, 7), ...aliases, new host.functionAlias(namespace, "ferro")];
}

// Node: what tests use.
if (typeof module !== "undefined") {
    module.exports = {
        U64, View, EXTENSION, SRB, CDB, LIST, EVENTS,
        extensions, adapters, adapter, queues, inflight, workitems, trace, commands, WinDbg, initializeScript,
    };
}
