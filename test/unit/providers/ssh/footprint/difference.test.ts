import { describe, expect, it } from "vitest";
import { difference } from "../../../../../src/providers/ssh/footprint/difference.ts";
import type { Footprint } from "../../../../../src/providers/ssh/footprint/facts.ts";
import { machineUnclean } from "../../../../../src/providers/ssh/footprint/footprint.ts";

function print(sections: Record<string, Record<string, string>>, boot = "one"): Footprint {
  const pairs = Object.entries(sections).map(([name, entries]) => [name, { entries }] as const);
  return { version: 1, boot, sections: Object.fromEntries(pairs) };
}

describe("two footprints", () => {
  it("of the same machine differ in nothing", () => {
    const one = print({ package: { "a:amd64": "1 ii" }, route: { default: "" } });
    expect(difference(one, structuredClone(one))).toEqual({ lines: [], notes: [] });
  });

  it("tell what is new, gone and changed", () => {
    const before = print({ package: { "a:amd64": "1 ii", b: "2 ii" }, route: { "default via 192.0.2.1": "" } });
    const after = print({ package: { "a:amd64": "3 ii", c: "4 ii" }, route: {}, rule: { "0: from all": "2 times" } });
    expect(difference(before, after).lines).toEqual([
      "package c is new (4 ii)",
      "package b is gone (2 ii)",
      "package a:amd64: 1 ii before, 3 ii now",
      "route default via 192.0.2.1 is gone",
      "rule 0: from all is new (2 times)",
    ]);
  });

  it("tell a folder with what is in it as one, and what is beside it as another", () => {
    const after = print({
      file: { "/etc/a": "folder", "/etc/a/b": "folder", "/etc/a/b/c": "file", "/etc/ab": "file", "/etc/x/y": "file" },
    });
    expect(difference(print({ file: {} }), after).lines).toEqual([
      "file /etc/a is new (folder, with 2 in it)",
      "file /etc/ab is new (file)",
      "file /etc/x/y is new (file)",
    ]);
  });

  it("tell nothing of what changes by itself", () => {
    const after = print({
      file: { "/etc/shadow": "x", "/var/lib/systemd/random-seed": "file", "/home/lab/.bash_history": "file" },
      unit: { "session-3.scope": "active", "user@1000.service": "active" },
      mount: { "/run/user/1000 tmpfs tmpfs": "" },
      cgroup: {
        "system.slice/ssh.service": "",
        "user.slice/user-0.slice": "",
        [`memory/docker/${"a".repeat(64)}`]: "",
      },
      sysctl: { "net/netfilter/nf_conntrack_count": "7" },
    });
    expect(difference(print({}), after).lines).toEqual([]);
    expect(
      difference(print({}), print({ cgroup: { "kubepods.slice/kubepods-burstable.slice": "" } })).lines,
    ).toHaveLength(1);
  });

  it("note what the machine's own start did not manage, and tell what a lab left failed", () => {
    const own = { "unit file": { "wait-online.service": "enabled" } };
    const before = print(own);
    const failed = { unit: { "wait-online.service": "failed", "kubelet.service": "failed" } };
    expect(difference(before, print({ ...own, ...failed }, "another"))).toEqual({
      lines: ["unit kubelet.service is new (failed)"],
      notes: ["unit wait-online.service failed when the machine was started anew"],
    });
    expect(difference(before, print({ ...own, ...failed })).lines).toHaveLength(2);
    const ran = print({ ...own, unit: { "wait-online.service": "active" } });
    expect(difference(ran, print({ ...own, unit: { "wait-online.service": "failed" } }, "another")).lines).toEqual([
      "unit wait-online.service: active before, failed now",
    ]);
  });

  it("note modules and what came with them, and what could not be compared", () => {
    const before = print({ module: {}, sysctl: { "net/ipv4/ip_forward": "0" }, interface: { eth0: "up" } });
    const after = print({
      module: { vxlan: "" },
      sysctl: { "net/ipv4/ip_forward": "1", "net/bridge/x": "1", "net/ipv4/conf/cni0/x": "0" },
      interface: { eth0: "up", cni0: "bridge" },
      qdisc: { "cni0 noqueue root": "" },
    });
    after.sections["ipset"] = { entries: {}, problem: "no answer" };
    expect(difference(before, after)).toEqual({
      lines: ["sysctl net/ipv4/ip_forward: 0 before, 1 now", "interface cni0 is new (bridge)"],
      notes: [
        "module vxlan is new; a kernel keeps modules until it is restarted",
        "1 sysctls are new with a module: net/bridge/x, …",
        "ipset: not everything could be compared: no answer",
      ],
    });
  });

  it("are told in lines fit for a terminal, however a file is called", () => {
    const after = print({ file: { "/etc/\u001b[2J\nx": "file" } });
    expect(difference(print({}), after).lines).toEqual([String.raw`file /etc/\x1b[2J\nx is new (file)`]);
  });
});

it("a machine that is not clean says how, up to a bound", () => {
  const lines = Array.from({ length: 50 }, (_, index) => `file /etc/${index} is new`);
  const { code, message } = machineUnclean("pi", lines);
  expect(code).toBe("MACHINE_UNCLEAN");
  expect(message.split("\n")).toHaveLength(42);
  expect(message).toMatch(/^pi is not as it was before the lab:\n {2}file \/etc\/0 is new\n[^]*and 10 more$/);
});
