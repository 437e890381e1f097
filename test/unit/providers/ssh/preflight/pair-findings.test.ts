import { describe, expect, it, test } from "vitest";
import { clockBounds } from "../../../../../src/providers/ssh/preflight/facts.ts";
import { pairFindings } from "../../../../../src/providers/ssh/preflight/pair-findings.ts";
import { measured, needs } from "./measured.ts";

describe("two machines", () => {
  it("that are as they should be have no finding", () => {
    const packets = { "192.0.2.2": { linkMtu: 1500, largest: 1500, roundTripMs: 0.2 } };
    const ports = [
      { peer: "machine-2", protocol: "tcp" as const, port: 10250, answer: "ECONNREFUSED" },
      { peer: "machine-2", protocol: "udp" as const, port: 4789, answer: "ECONNREFUSED" },
    ];
    expect(pairFindings([measured({ packets, ports }), measured({}, { number: 2 })], needs)).toEqual([]);
  });

  it("must not have the same name, machine-id or MAC address", () => {
    const twin = { ...measured({}, { number: 1 }), name: "machine-2" };
    expect(pairFindings([measured(), twin], needs).map(({ code, message }) => `${code} ${message}`)).toEqual([
      "MACHINE_NAME_TWICE machine-1: host name machine-1 is that of machine-2 too",
      `MACHINE_ID_TWICE machine-1: machine-id ${"1".repeat(32)} is that of machine-2 too`,
      "MACHINE_MAC_TWICE machine-1: MAC address 02:00:00:00:00:01 is that of machine-2 too",
    ]);
  });

  it("may both have a bridge with the same address, and no machine-id that could be read", () => {
    const bridge = {
      ...measured().facts.interfaces.links[0],
      name: "docker0",
      mac: "02:42:00:00:00:01",
      isVirtual: true,
    };
    const own = (number: number): Parameters<typeof measured>[0] => ({
      machineId: "",
      interfaces: {
        problem: null,
        links: [...measured({}, { number }).facts.interfaces.links, bridge as never],
      },
    });
    expect(pairFindings([measured(own(1)), measured(own(2), { number: 2 })], needs)).toEqual([]);
  });

  it.each([
    [1400, false, /more than 1400 bytes do not get to machine-2, and calico in mode vxlan sends up to 1500/],
    [null, false, /machine-2 does not answer/],
  ])("with ways of %s bytes are told so", (largest, ok, message) => {
    const packets = { "192.0.2.2": { linkMtu: 1500, largest, roundTripMs: null } };
    expect(pairFindings([measured({ packets }), measured({}, { number: 2 })], needs)).toEqual([
      expect.objectContaining({ code: "MACHINE_MTU", ok, message: expect.stringMatching(message) as unknown }),
    ]);
  });

  it("of which one is outside the cluster exchange what pods send, without what the CNI adds", () => {
    const packets = { "192.0.2.2": { linkMtu: 1500, largest: 1460, roundTripMs: 1 } };
    const outside = measured({}, { number: 2, role: "external" });
    expect(pairFindings([measured({ packets }), outside], needs)).toEqual([
      expect.objectContaining({ code: "MACHINE_MTU", ok: true }),
    ]);
    const narrow = { "192.0.2.2": { linkMtu: 1500, largest: 1400, roundTripMs: 1 } };
    expect(pairFindings([measured({ packets: narrow }), outside], needs)).toEqual([
      expect.objectContaining({
        ok: false,
        message:
          "machine-1: packets of more than 1400 bytes do not get to machine-2, and pods send up to 1450: connections would hang",
      }),
    ]);
    const ports = [{ peer: "machine-2", protocol: "tcp" as const, port: 80, answer: "silent" }];
    expect(pairFindings([measured({ ports }), outside], needs)).toEqual([
      expect.objectContaining({
        code: "MACHINE_UNREACHED",
        message: "machine-1: cannot reach machine-2 (192.0.2.2) on 80/tcp (no answer)",
      }),
    ]);
  });

  it("with a way that is narrower than the link, and wide enough, are told and let be", () => {
    const packets = { "192.0.2.2": { linkMtu: 9000, largest: 1500, roundTripMs: 1 } };
    expect(pairFindings([measured({ packets }), measured({}, { number: 2 })], needs)).toEqual([
      expect.objectContaining({ code: "MACHINE_MTU", ok: true }),
    ]);
  });

  it("that do not reach each other are told so, ports that nobody needs and servers that keep silent apart", () => {
    const ports = [
      { peer: "machine-2", protocol: "tcp" as const, port: 10250, answer: "silent" },
      { peer: "machine-2", protocol: "tcp" as const, port: 6443, answer: "silent" },
      { peer: "machine-2", protocol: "udp" as const, port: 4789, answer: "silent" },
    ];
    const listeners = [{ protocol: "udp" as const, address: "0.0.0.0", port: 4789, holder: null }];
    expect(pairFindings([measured({ ports }), measured({ listeners }, { number: 2 })], needs)).toEqual([
      expect.objectContaining({
        code: "MACHINE_UNREACHED",
        message: "machine-1: cannot reach machine-2 (192.0.2.2) on 10250/tcp (no answer)",
      }),
    ]);
  });
});

describe("clocks", () => {
  const skewed = (number: number, atLeastMs: number, atMostMs: number): ReturnType<typeof measured> =>
    measured({}, { number, clock: { atLeastMs, atMostMs } });

  it.each([
    ["ahead", skewed(1, 61_000, 61_100), "machine-1: its clock is 61.0 s ahead of this host's"],
    ["behind", skewed(1, -5100, -5000), "machine-1: its clock is 5.0 s behind this host's"],
  ])("that are %s are told with the difference that is certain", (_what, machine, message) => {
    expect(pairFindings([machine, measured({}, { number: 2 })], needs)).toEqual([
      expect.objectContaining({ code: "MACHINE_CLOCK", ok: false, message }),
    ]);
  });

  it("that differ from each other by more than from ours are told of, and those that a slow round trip explains are not", () => {
    expect(pairFindings([skewed(1, 600, 900), skewed(2, -900, -600)], needs).map(({ message }) => message)).toEqual([
      "machine-1: its clock is 1.2 s from that of machine-2",
    ]);
    expect(pairFindings([skewed(1, -4000, 4000), skewed(2, -100, 100)], needs)).toEqual([]);
  });
});

test("a machine's clock is known as well as the round trip lets one tell", () => {
  // Asked at 10 s, it began at what it calls 15.2 s and ended at 16.2 s; we had the answer at 11.3 s.
  const bounds = clockBounds({ start: 15.2, end: 16.2 }, 10_000, 11_300);
  expect(bounds.atLeastMs).toBeCloseTo(4900);
  expect(bounds.atMostMs).toBeCloseTo(5200);
});
