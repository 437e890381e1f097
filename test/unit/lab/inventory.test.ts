import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LabError, LabProblems } from "../../../src/core/errors.ts";
import { readInventory } from "../../../src/lab/inventory.ts";

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-inventory-"));
  file = join(folder, "rack.yaml");
});
afterEach(() => rmSync(folder, { recursive: true }));

const HEAD = "apiVersion: cnilab.dev/v1alpha1\nkind: Inventory\n";

function read(text: string): ReturnType<typeof readInventory> {
  writeFileSync(file, HEAD + text);
  return readInventory(file);
}

/** "LINE:COLUMN CODE message" of each problem. */
function problemsIn(text: string): string[] {
  try {
    read(text);
  } catch (error) {
    if (!(error instanceof LabProblems)) throw error;
    return error.problems.map(({ code, message, span }) => `${span?.line}:${span?.column} ${code} ${message}`);
  }
  throw new Error("nothing was found wrong");
}

describe("an inventory", () => {
  test("names machines, with what they share said once", () => {
    const machines = read(`
defaults: { user: pi, key: keys/lab, jump: gate.example.org }
machines:
  rack-1: { address: 192.0.2.10, role: control-plane }
  rack-2:
    address: "2001:db8::2"
    port: 2222
    user: admin
    key: ~/.ssh/rack
    jump: [a@one:22, "b@[2001:db8::1]:2200"]
    knownHosts: /etc/ssh/known
    nodeAddress: 10.0.0.2
    labels: { disk: ssd }
  alias-of-ssh-config:
`);
    expect(machines.map(({ span: _span, ...machine }) => machine)).toEqual([
      {
        reached: {
          name: "rack-1",
          host: "192.0.2.10",
          user: "pi",
          identityFile: join(folder, "keys/lab"),
          jump: ["gate.example.org"],
        },
        role: "control-plane",
        labels: {},
      },
      {
        reached: {
          name: "rack-2",
          host: "2001:db8::2",
          port: 2222,
          user: "admin",
          identityFile: join(homedir(), ".ssh/rack"),
          jump: ["a@one:22", "b@[2001:db8::1]:2200"],
          knownHostsFile: "/etc/ssh/known",
          nodeAddress: "10.0.0.2",
        },
        labels: { disk: "ssd" },
      },
      {
        reached: {
          name: "alias-of-ssh-config",
          host: "alias-of-ssh-config",
          user: "pi",
          identityFile: join(folder, "keys/lab"),
          jump: ["gate.example.org"],
        },
        labels: {},
      },
    ]);
  });

  test("with nothing in it that ssh could take for an option, or a shell for a command", () => {
    expect(
      problemsIn(`machines:
  one: { address: -oProxyCommand=touch x, user: "a b", jump: "x;reboot" }
  two: { address: "$(id)", user: -l, jump: ["-J", ok, "a@b:99999"] }
  three: { key: "a\\nb", nodeAddress: here }
`),
    ).toEqual([
      '4:19 LAB_BAD_VALUE "-oProxyCommand=touch x" is no host name or address',
      '4:49 LAB_BAD_VALUE "a b" is no user name',
      '4:62 LAB_BAD_VALUE "x;reboot" is no host to go by',
      '5:19 LAB_BAD_VALUE "$(id)" is no host name or address',
      '5:34 LAB_BAD_VALUE "-l" is no user name',
      '5:45 LAB_BAD_VALUE "-J" is no host to go by',
      '5:55 LAB_BAD_VALUE "a@b:99999" is no host to go by',
      "6:17 LAB_BAD_VALUE machines.three.key: a path is one line without control characters",
      "6:38 LAB_BAD_VALUE nodeAddress must be an IP address",
    ]);
  });

  test("has all that is wrong in it told at once, with its place", () => {
    expect(problemsIn("machines:\n  one: { adress: a, port: 0 }\n  two: { role: boss, labels: { a b: c } }\n")).toEqual(
      [
        expect.stringMatching(/^4:10 LAB_UNKNOWN_FIELD unknown field "adress"/),
        expect.stringMatching(/^4:27 LAB_BAD_VALUE machines.one.port must be at least 1/),
        expect.stringMatching(/^5:16 LAB_BAD_VALUE machines.two.role cannot be "boss"/),
      ],
    );
    expect(
      problemsIn(
        "machines:\n  Rack_1: { labels: { a b: c, d: 'e f' } }\n  two: { address: rack_1 }\n  three: { address: RACK_1 }\n",
      ),
    ).toEqual([
      expect.stringMatching(/^4:3 LAB_BAD_NAME machine name "Rack_1"/),
      expect.stringMatching(/^4:23 LAB_BAD_VALUE label key "a b"/),
      expect.stringMatching(/^4:34 LAB_BAD_VALUE value of label "d"/),
      "5:3 LAB_BAD_VALUE two is the same machine as Rack_1: rack_1",
      "6:3 LAB_BAD_VALUE three is the same machine as Rack_1: RACK_1",
    ]);
    expect(problemsIn("machines: {}\n")).toEqual(["3:1 LAB_BAD_VALUE an inventory needs at least one machine"]);
    expect(problemsIn("")).toEqual([expect.stringContaining("LAB_MISSING_FIELD an inventory needs machines")]);
  });

  test("may have a machine outside the cluster, which has no node to label", () => {
    expect(read("machines: { desk: { role: external } }\n")[0]).toMatchObject({ role: "external", labels: {} });
    expect(problemsIn("machines:\n  desk: { role: external, labels: { disk: ssd } }\n")).toEqual([
      "4:27 LAB_BAD_VALUE desk is outside the cluster (role external): it has no node that could have labels",
    ]);
  });

  test("that is not there, or is several documents, is an error of its own", () => {
    expect(() => readInventory(join(folder, "none.yaml"))).toThrow(LabError);
    expect(() => readInventory(join(folder, "none.yaml"))).toThrow(/cannot be read: ENOENT/);
    expect(() => read("machines: { a: {} }\n---\nb: c\n")).toThrow(/is not one YAML document/);
  });
});
