import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseStat } from "../../../../../src/exec/process-stat.ts";
import { anchorOf, podOfCgroup, scanPods } from "../../../../../src/providers/real/agents/pod-processes.ts";

const uid = "513ef410-6b49-4978-84f6-544d022e68bc";

describe("podOfCgroup", () => {
  test.each([
    ["cgroupfs, v1", `9:name=systemd:/docker/9d67/kubelet/kubepods/burstable/pod${uid}/04cc2a\n8:pids:/`],
    ["cgroupfs, guaranteed", `0::/kubepods/pod${uid}/04cc2a`],
    [
      "systemd, v2",
      `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${uid.replaceAll("-", "_")}.slice/04cc2a`,
    ],
    ["a controller that the runtime left alone first", `4:memory:/docker/9d67\n3:cpu:/kubepods/pod${uid}/04cc2a`],
    ["seen from a cgroup namespace beside it", `0::/../../kubepods/besteffort/pod${uid}/04cc2a`],
    ["a cgroup of the container's own below it", `0::/kubepods/pod${uid}/04cc2a/init.scope`],
    [
      "a node that runs in a pod itself",
      `0::/kubepods/pod11111111-1111-1111-1111-111111111111/aa/docker/bb/kubelet/kubepods/pod${uid}/04cc2a`,
    ],
  ])("reads uid and container: %s", (_, text) => {
    expect(podOfCgroup(text)).toEqual({ uid, container: "04cc2a" });
  });

  test("knows the scopes of containerd and CRI-O, and a static pod's hash", () => {
    const scope = `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod53811bf41b5e8c519559126dd140b9b2.slice/cri-containerd-f010.scope`;
    expect(podOfCgroup(scope)).toEqual({
      uid: "53811bf41b5e8c519559126dd140b9b2",
      container: "cri-containerd-f010.scope",
    });
  });

  test.each(["0::/system.slice/containerd.service", "0::/user.slice/podman.service/pod", "", "0::/kubepods"])(
    "%s is no pod's",
    (text) => {
      expect(podOfCgroup(text)).toBeUndefined();
    },
  );
});

test("a program's name may look like the fields that follow it", () => {
  const fields = Array.from({ length: 30 }, (_, index) => String(index + 4));
  expect(parseStat(`42 (a) S 1 (b) R ${fields.join(" ")}`)).toEqual({
    name: "a) S 1 (b",
    state: "R",
    parent: 4,
    startTime: 22,
  });
});

describe("anchorOf", () => {
  const process = (pid: number, startTime: number, name: string, container: string) => ({
    pid,
    startTime,
    name,
    container,
  });

  test("takes the sandbox's process for the network, and a container's for its files", () => {
    const pause = process(10, 100, "pause", "sandbox");
    const web = process(20, 150, "nginx", "web");
    const child = process(21, 151, "nginx", "web");
    expect(anchorOf([child, web, pause])).toEqual({ network: pause, container: web });
  });

  test("a pod whose own container runs pause has one all the same", () => {
    const sandbox = process(10, 100, "pause", "sandbox");
    const own = process(20, 150, "pause", "own");
    expect(anchorOf([own, sandbox])).toEqual({ network: sandbox, container: own });
  });

  test("a sandbox alone is no running container", () => {
    expect(anchorOf([process(10, 100, "pause", "sandbox")])).toBeUndefined();
    expect(anchorOf([])).toBeUndefined();
  });

  test("a runtime without a sandbox process has its first container's for both", () => {
    const web = process(20, 150, "nginx", "web");
    expect(anchorOf([process(21, 160, "sh", "web"), web])).toEqual({ network: web, container: web });
  });
});

describe("scanPods", () => {
  let proc: string;
  beforeEach(() => {
    proc = mkdtempSync(join(tmpdir(), "cnilab-proc-"));
  });
  afterEach(() => rmSync(proc, { recursive: true }));

  function add(pid: number, parent: number, cgroup: string, { state = "S", name = "x" } = {}): void {
    mkdirSync(join(proc, String(pid)));
    const fields = [state, parent, ...Array.from({ length: 17 }, () => 0), pid * 10, 0, 0];
    writeFileSync(join(proc, String(pid), "stat"), `${pid} (${name}) ${fields.join(" ")}\n`);
    writeFileSync(join(proc, String(pid), "cgroup"), `0::${cgroup}\n`);
  }

  test("finds a pod's processes on the node that they descend from, and no other's", () => {
    const pod = `/kubepods/pod${uid}`;
    add(1, 0, "/init.scope");
    // Two nodes, of which one is of another cluster restored from the same objects.
    add(100, 1, "/docker/a");
    add(200, 1, "/docker/b");
    add(300, 1, "/docker/other");
    for (const node of [100, 200, 300]) {
      add(node + 1, node, "/docker/shim");
      add(node + 2, node + 1, `${pod}/sandbox`, { name: "pause" });
    }
    add(103, 101, `${pod}/web`, { name: "nginx" });
    add(104, 103, `${pod}/web`, { name: "dead", state: "Z" });
    const found = scanPods(
      new Map([
        ["one", 100],
        ["two", 200],
      ]),
      proc,
    );
    expect([...found.keys()].toSorted()).toEqual([`one/${uid}`, `two/${uid}`]);
    expect(found.get(`one/${uid}`)?.map(({ pid }) => pid)).toEqual([102, 103]);
  });
});
