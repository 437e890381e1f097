import { describe, expect, it, test } from "vitest";
import type { MachineFacts, MeasuredMachine } from "../../../../../src/providers/ssh/preflight/facts.ts";
import { machineFindings } from "../../../../../src/providers/ssh/preflight/machine-findings.ts";
import type { PreflightNeeds } from "../../../../../src/providers/ssh/preflight/needs.ts";
import { facts, measured, needs } from "./measured.ts";

test("a machine that lacks nothing has one finding, which says what it is", async () => {
  expect(await machineFindings(measured(), needs, false)).toEqual([
    {
      code: "MACHINE",
      ok: true,
      message:
        "machine-1: control-plane, Debian GNU/Linux 12 (bookworm), kernel 6.1.0 (amd64), 2 CPUs, 4000 MB of memory, 8 GB free",
    },
  ]);
});

const links = facts().interfaces.links.map((link) => ({ ...link, addresses: ["203.0.113.5"] }));

const DEFECTS: [code: string, message: RegExp, others: Partial<MachineFacts>][] = [
  ["MACHINE_OS", /Arch Linux is neither/, { system: { id: "arch", like: [], name: "Arch Linux", version: "" } }],
  ["MACHINE_ARCHITECTURE", /armv7l/, { architecture: "armv7l" }],
  ["MACHINE_NO_SYSTEMD", /systemd/, { hasSystemd: false }],
  ["MACHINE_PYTHON", /3\.6\.8, and 3\.9 is needed/, { python: [3, 6, 8] }],
  ["MACHINE_CPUS", /1 CPU.*wants 2/, { cpus: 1 }],
  ["MACHINE_MEMORY", /900 MB.*control-plane needs 1700 MB/, { memoryMb: 900 }],
  [
    "MACHINE_DISK",
    /500 MB are free in \/var\/lib/,
    { disks: [{ path: "/var/lib", freeMb: 500, freeInodes: null, device: 2 }] },
  ],
  [
    "MACHINE_DISK",
    /12 inodes are free in \/var\/lib/,
    { disks: [{ path: "/var/lib", freeMb: 50_000, freeInodes: 12, device: 2 }] },
  ],
  ["MACHINE_CGROUP", /no cgroup controller memory/, { cgroup: { version: 2, controllers: ["cpu", "cpuset", "pids"] } }],
  ["MACHINE_SWAP", /swap is on \(\/dev\/sda2\)/, { swaps: ["/dev/sda2"] }],
  ["MACHINE_MODULE", /no br_netfilter/, { modules: { overlay: "loaded", br_netfilter: "missing" } }],
  [
    "MACHINE_PORT_TAKEN",
    /tcp port 6443 of the API server is taken by nginx \(pid 7\)/,
    { listeners: [{ protocol: "tcp", address: "::", port: 6443, holder: "nginx (pid 7)" }] },
  ],
  [
    "MACHINE_PORT_TAKEN",
    /udp port 4789 of VXLAN is taken by the kernel/,
    { listeners: [{ protocol: "udp", address: "0.0.0.0", port: 4789, holder: null }] },
  ],
  ["MACHINE_TOOL_MISSING", /ip: not found/, { interfaces: { problem: "ip: not found", links: [] } }],
  ["MACHINE_ADDRESS", /none of its interfaces has .*192\.0\.2\.1/, { interfaces: { problem: null, links } }],
  ["MACHINE_NAME_RESOLUTION", /not resolved within 4 s/, { names: { host: "a", addresses: null } }],
  ["MACHINE_NAME_RESOLUTION", /resolved to 203\.0\.113\.9/, { names: { host: "a", addresses: ["203.0.113.9"] } }],
  ["MACHINE_FIREWALL", /firewalld is active/, { firewalls: ["firewalld"] }],
  [
    "MACHINE_HAS_CLUSTER",
    /\/etc\/kubernetes\/admin\.conf/,
    { cluster: { known: ["/etc/kubernetes/admin.conf"], strange: [] } },
  ],
  ["MACHINE_CONTAINERS", /3 containers of others \(podman\)/, { containers: [{ where: "podman", count: 3 }] }],
  [
    "MACHINE_KERNEL_FEATURE",
    /no vxlan, which calico in mode vxlan needs/,
    {
      kernel: [
        { argv: ["unshare", "--net", "--", "true"], exitCode: 0, stderr: "" },
        {
          argv: "unshare --net -- ip link add cnilab0 type vxlan id 1 dstport 4789".split(" "),
          exitCode: 2,
          stderr: "Error: Unknown device type.",
        },
      ],
    },
  ],
  ["KERNEL_FEATURES_UNKNOWN", /no network namespace/, { kernel: [] }],
  ["MACHINE_UNMEASURED", /disks: no such file/, { problems: ["disks: no such file"] }],
];

describe("a machine with a defect", () => {
  it.each(DEFECTS)("has %s (%s) against it, and nothing else", async (code, message, others) => {
    const against = (await machineFindings(measured(others), needs, false)).filter(({ ok }) => !ok);
    expect(against).toEqual([expect.objectContaining({ code, message: expect.stringMatching(message) as unknown })]);
    if (code !== "MACHINE_UNMEASURED") expect(against[0]?.remedy).toBeTruthy();
  });

  it("has all of them at once, each in one line fit for a terminal", async () => {
    const others = Object.assign({}, ...DEFECTS.map(([, , each]) => each)) as Partial<MachineFacts>;
    const hostile = { ...others, swaps: ["/dev/sd\u001b[31ma\n1"] };
    const findings = await machineFindings(measured(hostile), needs, false);
    expect(new Set(findings.map(({ code }) => code)).size).toBeGreaterThan(15);
    expect(findings.find(({ code }) => code === "MACHINE_SWAP")?.message).toContain(String.raw`/dev/sd\x1b[31ma\n1`);
    // eslint-disable-next-line no-control-regex
    expect(findings.filter(({ message }) => /[\u0000-\u001f]/.test(message))).toEqual([]);
  });
});

test("cgroup v1 is told and let be up to Kubernetes 1.34, and refused after it", async () => {
  const machine = measured({ cgroup: { version: 1, controllers: ["cpu", "cpuset", "memory", "pids"] } });
  const found = async (minor: number): Promise<unknown> =>
    (await machineFindings(machine, { ...needs, kubernetes: [1, minor] }, false)).find(
      ({ code }) => code === "MACHINE_CGROUP",
    )?.ok;
  expect(await found(34)).toBe(true);
  expect(await found(35)).toBe(false);
});

describe("what is there of others", () => {
  const machine = measured({
    cluster: { known: ["/etc/kubernetes/admin.conf"], strange: [] },
    containers: [
      { where: "podman", count: 1 },
      { where: "containerd, namespace k8s.io", count: 9 },
    ],
    listeners: [{ protocol: "tcp", address: "::", port: 6443, holder: "kube-apiserver (pid 7)" }],
  });
  const against = async (of: MeasuredMachine, force: PreflightNeeds["force"]): Promise<string[]> =>
    (await machineFindings(of, force === undefined ? needs : { ...needs, force }, false)).flatMap(({ ok, code }) =>
      ok ? [] : [code],
    );

  it("goes or stays with force, which is told, and stands in the way when it should be gone", async () => {
    expect(await against(machine, undefined)).toContain("MACHINE_HAS_CLUSTER");
    const forced = await machineFindings(machine, { ...needs, force: "before" }, false);
    expect(forced.filter(({ ok }) => !ok)).toEqual([]);
    expect(forced.map(({ message }) => message).join("\n")).toMatch(
      /admin\.conf; --force takes it away\n.*\(podman\); they stay\n.*k8s\.io\); --force takes them away/,
    );
    expect(await against(machine, "after")).toEqual(["MACHINE_PORT_TAKEN", "MACHINE_HAS_CLUSTER"]);
    expect(await machineFindings(machine, needs, true)).toHaveLength(1);
  });

  it("stands in the way of force where it is not a cluster's, or a cluster that nobody here can remove", async () => {
    const web = { protocol: "tcp", address: "::", port: 10250, holder: "nginx (pid 8)" } as const;
    expect(await against(measured({ ...machine.facts, listeners: [web] }), "before")).toEqual(["MACHINE_PORT_TAKEN"]);
    const { listeners = [] } = machine.facts;
    expect(await against(measured({ listeners }), "before")).toEqual(["MACHINE_PORT_TAKEN"]);
    const k3s = measured({ cluster: { known: ["/etc/kubernetes/x.conf"], strange: ["/var/lib/rancher/k3s"] } });
    const [finding] = (await machineFindings(k3s, { ...needs, force: "before" }, false)).filter(({ ok }) => !ok);
    expect(finding).toMatchObject({ code: "MACHINE_HAS_CLUSTER", remedy: expect.stringContaining("k3s-uninstall") });
    expect(finding?.message).toContain("--force does not know how to take away: /var/lib/rancher/k3s");
  });
});

test("a worker needs no control plane's ports, processors and memory", async () => {
  const worker = measured(
    { cpus: 1, memoryMb: 900, listeners: [{ protocol: "tcp", address: "::", port: 6443, holder: null }] },
    { number: 2 },
  );
  expect((await machineFindings(worker, needs, false)).filter(({ ok }) => !ok)).toEqual([]);
});

it("a machine that cannot shape links is refused for a lab that shapes some, by the name of what it lacks", async () => {
  const tries = [
    { argv: ["unshare", "--net", "--", "true"], exitCode: 0, stderr: "" },
    {
      argv: "unshare --net -- tc qdisc add dev lo root netem delay 1ms".split(" "),
      exitCode: 2,
      stderr: "Error: Specified qdisc kind is unknown.",
    },
    { argv: ["test", "-d", "/sys/module/sch_tbf"], exitCode: 0, stderr: "" },
    ...(measured({}).facts.kernel ?? []),
  ];
  const found = await machineFindings(measured({ kernel: tries }), { ...needs, shapers: ["netem", "tbf"] }, false);
  expect(found.filter(({ ok }) => !ok)).toMatchObject([
    {
      code: "MACHINE_KERNEL_FEATURE",
      message: expect.stringContaining("no netem (sch_netem), which a fault of the lab is made with") as unknown,
    },
  ]);
});

describe("the host outside the cluster", () => {
  const codes = async (others: Partial<MachineFacts>, more: Partial<PreflightNeeds> = {}): Promise<string[]> =>
    (await machineFindings(measured(others, { role: "external" }), { ...needs, ...more }, false))
      .filter(({ ok }) => !ok)
      .map(({ code }) => code);

  it("need be nothing that only nodes have to be", async () => {
    const others: Partial<MachineFacts> = {
      system: { id: "arch", like: [], name: "Arch Linux", version: "" },
      cpus: 1,
      memoryMb: 256,
      disks: [{ path: "/var/lib", freeMb: 5, freeInodes: 12, device: 2 }],
      cgroup: { version: 1, controllers: [] },
      swaps: ["/dev/sda2"],
      modules: { overlay: "missing", br_netfilter: "missing" },
      names: { host: "desk", addresses: null },
      firewalls: ["ufw"],
      kernel: [],
      cluster: { known: [], strange: ["k3s runs (pid 9)"] },
      containers: [{ where: "podman", count: 3 }],
      listeners: [{ protocol: "tcp", address: "0.0.0.0", port: 10250, holder: "kubelet (pid 7)" }],
    };
    expect(await codes(others)).toEqual([]);
  });

  it.each<[string, Partial<MachineFacts>]>([
    ["MACHINE_PYTHON", { python: [3, 6, 8] }],
    ["MACHINE_ARCHITECTURE", { architecture: "armv7l" }],
    ["MACHINE_NO_SYSTEMD", { hasSystemd: false }],
    ["MACHINE_ADDRESS", { interfaces: { problem: null, links } }],
    ["MACHINE_PORT_TAKEN", { listeners: [{ protocol: "tcp", address: "::", port: 80, holder: "nginx (pid 7)" }] }],
    ["MACHINE_PORT_TAKEN", { listeners: [{ protocol: "udp", address: "::", port: 80, holder: null }] }],
  ])("is refused for %s as they are", async (code, others) => {
    expect(await codes(others)).toEqual([code]);
  });

  it("may still serve for a dead lab, where it is taken by force", async () => {
    const own = { protocol: "tcp" as const, address: "192.0.2.1", port: 80, holder: "cnilab-external (pid 7)" };
    expect(await codes({ listeners: [own] })).toEqual(["MACHINE_PORT_TAKEN"]);
    expect(await codes({ listeners: [own] }, { force: "before" })).toEqual([]);
    expect(await codes({ listeners: [own] }, { force: "after" })).toEqual(["MACHINE_PORT_TAKEN"]);
    expect(await codes({ listeners: [{ ...own, holder: "nginx (pid 7)" }] }, { force: "before" })).toEqual([
      "MACHINE_PORT_TAKEN",
    ]);
  });
});
