// Runs the commands of scripts/windbg/ferro.js on memory that `portlab capture` took of a running driver, with the layouts that
// `drvpkg layout` read from its PDB, and compares what they print with what the lab knows to be true.
//
//   node tests/windbg/check.mjs SCRIPT CAPTURE.json LAYOUT.json EVENTS.json
//
// Prints JSON. Each check is seen to bite as well: it has to fail when one member that its command reads is said to lie elsewhere.
// WinDbg is stood in for by what its documentation says of `host`; the script is run as WinDbg runs it, from initializeScript on.
import { readFileSync } from "node:fs";
import vm from "node:vm";
import assert from "node:assert/strict";

const [scriptPath, capturePath, layoutPath, eventsPath] = process.argv.slice(2);
const script = readFileSync(scriptPath, "utf8");
const capture = JSON.parse(readFileSync(capturePath, "utf8"));
const layout = JSON.parse(readFileSync(layoutPath, "utf8"));
const events = JSON.parse(readFileSync(eventsPath, "utf8")).events;
const known = capture.known;

// --- WinDbg -----------------------------------------------------------------------------------------------------------------

class Int64 {
    constructor(low, high = 0) {
        this.value = BigInt.asUintN(64, (BigInt(high) << 32n) | BigInt(low >>> 0));
    }
    getLowPart() { return Number(this.value & 0xFFFFFFFFn); }
    getHighPart() { return Number(this.value >> 32n); }
    asNumber() { return Number(this.value); }
}

const int64 = (value) => new Int64(Number(value & 0xFFFFFFFFn), Number(value >> 32n));
const records = new Map(layout.types.map((record) => [record.name, record]));
const regions = capture.regions.map((region) => ({
    address: BigInt(region.address),
    bytes: Buffer.from(region.bytes, "base64"),
}));

// A type as the page "Type objects" has it. `moved`: a member that is said to lie elsewhere.
function type(shape, moved) {
    if (shape.record !== undefined) {
        const record = records.get(shape.record);
        assert(record, `no layout of ${shape.record}`);
        const fields = {};
        for (const member of record.members) {
            const off = moved && moved[0] === record.name && moved[1] === member.name ? 4 : 0;
            Object.defineProperty(fields, member.name, {
                get: () => ({ name: member.name, offset: int64(BigInt(member.offset + off)), type: type(member.shape, moved) }),
            });
        }
        return { name: record.name, size: int64(BigInt(record.size)), typeKind: "udt", fields };
    }
    if (shape.array !== undefined) {
        const element = type(shape.array.element, moved);
        const size = BigInt(shape.array.count) * element.size.value;
        return { name: `${element.name}[${shape.array.count}]`, size: int64(size), typeKind: "array", baseType: element };
    }
    if (shape.pointer !== undefined) {
        return { name: "pointer", size: int64(8n), typeKind: "pointer" };
    }
    assert(shape.number !== undefined, `an unexpected type: ${JSON.stringify(shape)}`);
    return { name: "number", size: int64(BigInt(shape.number)), typeKind: "intrinsic" };
}

function read(location, count, size = 1) {
    assert(location instanceof Int64, "an address is an Int64");
    const address = location.value;
    const length = BigInt(count * size);
    const region = regions.find(({ address: start, bytes }) =>
        address >= start && address + length <= start + BigInt(bytes.length));
    if (!region) {
        throw new Error(`Unable to read memory at Address 0x${address.toString(16)}`);
    }
    const offset = Number(address - region.address);
    return Array.from({ length: count }, (_, index) => region.bytes.readUIntLE(offset + index * size, size));
}

// The lines that each command prints.
function run(moved) {
    const lines = [];
    const host = {
        Int64,
        apiVersionSupport: class { constructor(major, minor) { this.version = [major, minor]; } },
        functionAlias: class { constructor(call, name) { Object.assign(this, { call, name }); } },
        diagnostics: { debugLog: (text) => lines.push(text) },
        memory: { readMemoryValues: read },
        getModuleType: (module, name) => {
            assert.equal(module, "ferronvme");
            return records.has(name) ? type({ record: name }, moved) : undefined;
        },
        getModuleSymbolAddress: (module, name) => {
            assert.equal(module, "ferronvme");
            const offset = layout.variables[name];
            return offset === undefined ? undefined : int64(BigInt(capture.image) + BigInt(offset));
        },
    };
    // BigInt is not among what WinDbg's engine has.
    const context = vm.createContext({ host, BigInt: undefined });
    vm.runInContext(script, context, { filename: scriptPath });
    const aliases = context.initializeScript().filter((registration) => registration instanceof host.functionAlias);
    return (name) => {
        lines.length = 0;
        const alias = aliases.find((candidate) => candidate.name === name);
        assert(alias, `there is no command ${name}`);
        alias.call();
        const printed = lines.join("");
        // The same by the object that all commands are methods of.
        lines.length = 0;
        const namespace = aliases.find((candidate) => candidate.name === "ferro");
        assert(namespace, "there is no object ferro");
        namespace.call()[name.replace(/^ferro_/, "")]();
        assert.equal(lines.join(""), printed, `@$ferro() prints something else than !${name}`);
        return printed.split("\n").filter((line) => line !== "");
    };
}

// --- What the lab knows -----------------------------------------------------------------------------------------------------

const same = (found, expected) => assert.deepEqual([...found].sort(), [...expected].sort());
const matched = (line, pattern) => {
    const match = pattern.exec(line);
    assert(match, `not understood: ${line}`);
    return match.groups;
};
const io = known.submission_queues.filter((queue) => queue.id !== 0);
// UNMAP takes several commands, and those have the last queue to themselves; everything else has its processor's.
const isOfSeveral = (request) => request.cdb.startsWith("42 ");
const queueOf = (request) => isOfSeveral(request) ? io.length : request.processor + 1;
assert(known.in_flight.some(isOfSeveral) && !known.in_flight.every(isOfSeveral), "the capture has requests of both kinds");

const checks = {
    ferro_adapters: {
        moved: ["storport::extension::Header", "channels"],
        check(lines) {
            assert.equal(lines.length, 2);
            const said = matched(lines[0],
                /^adapter (?<address>0x[0-9a-f]+): (?<state>\w+), .*, (?<pairs>\d+) queue pairs, (?<channels>\d+) channels, (?<messages>\d+) messages$/);
            assert.deepEqual({ ...said },
                { address: known.extension, state: "ready", pairs: `${io.length}`, channels: `${known.channels}`, messages: `${known.messages}` });
            assert.match(lines[1], /found 1 times, started, /);
        },
    },
    ferro_queues: {
        moved: ["nvme_core::queue::SubmissionRing", "tail"],
        check(lines) {
            const rows = lines.slice(2).map((line) =>
                matched(line, /^ +(?<id>\d+)  (?<kind>\S+) +(?<entries>\d+) +(?<flying>\d+) +(?<tail>\d+) +(?<head>\d+) +(?<epoch>\d+)$/));
            // The controller's own view: entries, and the tail that it was told.
            same(rows.map((row) => `${row.id} ${row.entries} ${row.tail}`),
                known.submission_queues.map((queue) => `${queue.id} ${queue.entries} ${queue.tail}`));
            for (const row of rows.filter((row) => row.kind !== "admin")) {
                const here = known.in_flight.filter((request) => queueOf(request) === Number(row.id));
                assert.equal(Number(row.flying), here.length, `queue ${row.id}`);
            }
            assert.deepEqual(rows.filter((row) => row.kind === "multi").map((row) => Number(row.id)), [io.length]);
            const flying = rows.filter((row) => row.kind !== "admin").reduce((sum, row) => sum + Number(row.flying), 0);
            assert.equal(flying, known.commands_kept);
        },
    },
    ferro_inflight: {
        moved: ["nvme_core::command_table::Slot", "key"],
        check(lines) {
            assert.equal(lines[0], `adapter ${known.extension}: ${known.in_flight.length} in flight`);
            const rows = lines.slice(1).map((line) => matched(line,
                /^ +queue (?<queue>\d+) command (?<command>0x[0-9a-f]+) namespace (?<namespace>\d+): SRB (?<srb>0x[0-9a-f]+) EXECUTE_SCSI (?<path>\d+):(?<target>\d+):(?<lun>\d+) (?<bytes>\d+) bytes CDB (?<cdb>[0-9a-f ]+)$/));
            same(rows.map((row) => `${row.srb} ${row.path}:${row.target}:${row.lun} ${row.bytes} ${row.queue} ${row.namespace} ${row.cdb}`),
                known.in_flight.map((request) =>
                    `${request.srb} ${request.path}:${request.target}:${request.lun} ${request.bytes} ${queueOf(request)} ${request.lun + 1} ${request.cdb}`));
            assert.equal(new Set(rows.map((row) => `${row.queue} ${row.command}`)).size, rows.length);
        },
    },
    ferro_workitems: {
        moved: ["storport::slot::work_slot::WorkSlot", "worker"],
        check(lines) {
            const rows = lines.slice(1).filter((line) => /^ +work item/.test(line)).map((line) =>
                matched(line, /^ +work item \d+: (?<state>[^,]+).*, object (?<handle>0x[0-9a-f]+)$/));
            same(rows.filter((row) => row.state !== "vacant").map((row) => `${row.handle} ${row.state}`),
                known.workers.map((worker) => `${worker.handle} ${worker.queued ? "queued" : "idle"}`));
            assert(known.workers.some((worker) => worker.queued), "the capture has a work item that is queued");
        },
    },
    ferro_trace: {
        moved: ["trace_ring::TraceRing<256>", "next"],
        check(lines) {
            const begun = Number(matched(lines[0], /^adapter 0x[0-9a-f]+: (?<begun>\d+) records so far, 0 overwritten/).begun);
            const rows = lines.slice(1).map((line) =>
                matched(line, /^ +(?<number>\d+) +(?<seconds>[\d.]+) s  (?<id>\d+) (?<name>\w+)(?<values>.*)$/));
            assert.deepEqual(rows.map((row) => Number(row.number)), Array.from({ length: begun }, (_, index) => index));
            for (let index = 1; index < rows.length; index++) {
                assert(Number(rows[index].seconds) >= Number(rows[index - 1].seconds), "time goes on");
            }
            const table = new Map(events.map((event) => [String(event.id), event]));
            for (const row of rows) {
                const event = table.get(row.id);
                assert(event, `there is an event ${row.id}`);
                assert.equal(row.name, event.name);
                assert.deepEqual(row.values.trim().split(" ").filter(Boolean).map((value) => value.split("=")[0]), event.fields);
            }
            // One start, one reset of the bus (HwStorResetBus: reason 1), one namespace that changed, in this order.
            const story = rows.map((row) => row.name);
            const order = ["AdapterFound", "AdapterStarted", "ResetBegun", "ResetEnded", "AsyncEvent"].map((name) => story.indexOf(name));
            assert(order.every((place) => place >= 0) && order.every((place, index) => index === 0 || place > order[index - 1]),
                `the story is another one: ${story}`);
            const one = (name) => {
                const found = rows.filter((row) => row.name === name);
                assert.equal(found.length, 1, name);
                return found[0].values;
            };
            // One pair for each channel, and one for requests that take several commands.
            assert.match(one("AdapterStarted"), new RegExp(` pairs=0x${known.channels.toString(16)} messages=0x${known.messages.toString(16)} namespaces=0x2$`));
            for (const ready of rows.filter((row) => row.name === "AdapterReady")) {
                assert.match(ready.values, new RegExp(` pairs=0x${io.length.toString(16)} `));
            }
            assert.match(one("ResetBegun"), / reason=0x1 /);
        },
    },
};

const results = [];
for (const [name, { moved, check }] of Object.entries(checks)) {
    const result = { name, ok: false, bites: false, failure: null, lines: [] };
    try {
        result.lines = run()(name);
        check(result.lines);
        result.ok = true;
    } catch (error) {
        result.failure = error.message;
    }
    assert(records.get(moved[0])?.members.some((member) => member.name === moved[1]), `${moved.join("::")} is no member`);
    try {
        check(run(moved)(name));
    } catch {
        result.bites = true;
    }
    results.push(result);
}
const table = vm.runInNewContext(`${script}; EVENTS`);
const events_agree = JSON.stringify(Object.entries(table)) ===
    JSON.stringify(events.map((event) => [String(event.id), [event.name, event.fields]]));
console.log(JSON.stringify({ commands: results, events_agree }, null, 2));
process.exit(results.every((result) => result.ok && result.bites) && events_agree ? 0 : 1);
