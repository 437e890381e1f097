import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { LabError } from "../../src/core/errors.ts";
import { deathOf } from "../../src/providers/ssh/dead-lease.ts";
import {
  acquireLeases,
  newLeaseOwner,
  readLease,
  releaseLeases,
  renewLeases,
  type LeaseOwner,
} from "../../src/providers/ssh/lease.ts";
import { endExternal, serveExternal } from "../../src/providers/ssh/external.ts";
import { preflightMachines, type PreflightMachine } from "../../src/providers/ssh/preflight/preflight.ts";
import type { PreflightNeeds } from "../../src/providers/ssh/preflight/needs.ts";
import type { Finding } from "../../src/providers/types.ts";
import { dockerRemote, type DockerRemote } from "./docker-remote.ts";
import { factsChanged, machineFacts } from "./machine-facts.ts";
import { startMachines, type RigMachines } from "./machines.ts";
import { describeOnRig } from "./rig.ts";

type RigMachine = PreflightMachine & { remote: DockerRemote; container: string };

let rig: RigMachines | undefined;
let machines: RigMachine[];

/** Root on a machine, by the machine's own sudo. */
function root(index: number, script: string): Promise<string> {
  const machine = machines[index];
  if (machine === undefined) throw new Error(`no machine ${index}`);
  return machine.remote.must(script, [], { sudo: true });
}

function owner(lab: string): LeaseOwner {
  return { ...newLeaseOwner(lab, `/somewhere/${lab}`), owner: "somebody@elsewhere" };
}

async function holders(of: readonly RigMachine[] = machines): Promise<(string | undefined)[]> {
  const states = await Promise.all(of.map((machine) => readLease(machine)));
  return states.map((state) => (state.kind === "held" ? state.lease.lab : undefined));
}

describeOnRig("machines over SSH", () => {
  beforeAll(() => {
    rig = startMachines(3);
    machines = rig.machines.map((machine, index) => ({
      name: machine.name,
      container: machine.container,
      address: machine.address,
      role: index === 0 ? "control-plane" : "worker",
      remote: dockerRemote(machine),
    }));
  });
  afterAll(() => rig?.remove());
  afterEach(() => Promise.all(machines.map((_, index) => root(index, "rm -rf /var/lib/cnilab"))));

  it(
    "are held by one lab at a time, of two that want them at once, and never in part",
    { timeout: 300_000 },
    async () => {
      // As root, and two of them: a round is some ten programs.
      const pair = machines.slice(0, 2).map((machine) => ({
        ...machine,
        remote: dockerRemote({ ...machine, user: "root" }),
      }));
      for (let round = 0; round < 50; round++) {
        const labs = [owner("first"), owner("second")];
        const orders = [pair, pair.toReversed()];
        const ends = await Promise.allSettled(
          labs.map((lab, index) => acquireLeases(orders[index] ?? [], lab, { phase: "install" })),
        );
        const [winner, ...others] = labs.filter((_lab, index) => ends[index]?.status === "fulfilled");
        if (winner === undefined) throw new Error(`round ${round}: neither has them`);
        expect(others).toEqual([]);
        expect(await holders(pair)).toEqual([winner.lab, winner.lab]);
        expect(ends.find(({ status }) => status === "rejected")).toMatchObject({ reason: { code: "LEASE_HELD" } });
        // The one that was refused has nothing to give back: the next round would find it.
        await releaseLeases(pair, winner);
      }
      expect(await holders(pair)).toEqual([undefined, undefined]);
      expect(await root(0, "ls -A /var/lib/cnilab 2>&1 || true")).toContain("No such file");
    },
  );

  it("keep a lease that tells whose it is where its owner was killed, or have none", { timeout: 120_000 }, async () => {
    const program = fileURLToPath(new URL("lease-holder.ts", import.meta.url));
    const outcomes = new Set<string>();
    for (let round = 0; round < 8; round++) {
      const lab = owner("killed");
      const request = JSON.stringify({ owner: lab, containers: machines.map(({ container }) => container) });
      const child = spawn(process.execPath, ["--import", "tsx", program, request], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const closed = once(child, "close");
      await once(child.stdout, "data");
      await new Promise((resolve) => {
        setTimeout(resolve, round * 120);
      });
      child.kill("SIGKILL");
      await closed;
      // What was sent to a machine is carried out there all the same: the last one may still be at it.
      await Promise.all(machines.map(({ remote }) => remote.run(["true"])));
      const states = await Promise.all(machines.map((machine) => readLease(machine)));
      for (const state of states) {
        outcomes.add(state.kind);
        if (state.kind !== "held") continue;
        expect(state.lease).toMatchObject({ lab: "killed", owner: "somebody@elsewhere", token: lab.token });
        expect(state.lease.ageMs).toBeLessThan(20_000);
      }
      await releaseLeases(machines, lab);
    }
    expect(outcomes).toContain("held");
    expect([...outcomes].every((kind) => kind === "held" || kind === "free")).toBe(true);
    await expect.poll(() => holders()).toEqual(machines.map(() => undefined));
  });

  it("tell a second lab of the first, are taken again by the first, and over by force", async () => {
    const [first, second] = [owner("first"), owner('sec"ond\u001b[31m$(reboot)')];
    await acquireLeases(machines.slice(1), first, { phase: "install" });
    await acquireLeases(machines.slice(1), first, { phase: "resume" });
    const refused = await acquireLeases(machines, second, { phase: "install" }).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: "LEASE_HELD",
      hint: expect.stringContaining("cnilab down first") as unknown,
    });
    expect((refused as LabError).message).toMatch(
      /machine-2 is held by lab first of somebody@elsewhere, taken \d+s ago.*phase resume\nmachine-3 /,
    );
    expect(await holders()).toEqual([undefined, "first", "first"]);
    // Only the lease that was judged goes: the first lab is at work, and what it renews meanwhile is another.
    const renewing = machines.map((machine): RigMachine => {
      const run: DockerRemote["run"] = async (argv, options) => {
        if (String(options?.stdin).includes(String.raw`{\"verb\":\"acquire\"`)) {
          await renewLeases(machines.slice(1), first, "resume");
        }
        return machine.remote.run(argv, options);
      };
      return { ...machine, remote: { ...machine.remote, run } };
    });
    await expect(acquireLeases(renewing, second, { phase: "install", isDead: () => true })).rejects.toMatchObject({
      code: "LEASE_HELD",
    });
    expect(await holders()).toEqual([undefined, "first", "first"]);
    const ended = await acquireLeases(machines, second, { phase: "install", isDead: () => true });
    expect(ended.map(({ machine }) => machine).toSorted()).toEqual(["machine-2", "machine-3"]);
    await expect(renewLeases(machines.slice(1), first, "probe")).rejects.toMatchObject({
      code: "LEASE_LOST",
      message: expect.stringContaining(String.raw`lab sec"ond\x1b[31m$(reboot)`) as unknown,
    });
    // What is another's stays.
    expect(await releaseLeases(machines.slice(1), first)).toHaveLength(2);
    expect(await holders()).toEqual(machines.map(() => second.lab));
    await renewLeases(machines, second, "probe");
    expect(await releaseLeases(machines, second)).toEqual([]);
    expect(await releaseLeases(machines, second)).toEqual([]);
  });

  it("are all given back where one of them is lost meanwhile, or say which is not", async () => {
    const lab = owner("unlucky");
    const lost = new LabError("REMOTE_LOST", "machine-2: the connection ended");
    const losing = (times: number): RigMachine[] =>
      machines.map((machine, index) => {
        if (index !== 1) return machine;
        let acquired = 0;
        const run: DockerRemote["run"] = async (argv, options) => {
          const result = await machine.remote.run(argv, options);
          const isRead = String(options?.stdin).includes(String.raw`{\"verb\":\"read\"`);
          // The command was carried out; its answer is what is lost.
          if (isRead || ++acquired > times) return result;
          throw lost;
        };
        return { ...machine, remote: { ...machine.remote, run } };
      });
    await expect(acquireLeases(losing(1), lab, { phase: "install" })).rejects.toBe(lost);
    expect(await holders()).toEqual(machines.map(() => undefined));
    await expect(acquireLeases(losing(2), lab, { phase: "install" })).rejects.toMatchObject({
      code: "LEASE_NOT_RELEASED",
      message: expect.stringMatching(/the connection ended; and .*not given back: machine-2: /) as unknown,
    });
    await releaseLeases(machines, lab);
  });

  it.each([
    ["half of it", '{"version": 1, "lab": "x'],
    ["nothing in it", ""],
    ["something else in it", "[1, 2]"],
    ["deep brackets in it", "[".repeat(10_000)],
    ["other types in it", '{"since": {"boot": [], "wall": "x"}, "renewed": 3}'],
  ])("say so where the lease has %s, and give way to force alone", async (_what, content) => {
    await root(0, "mkdir -p /var/lib/cnilab");
    await machines[0]?.remote.writeFile("/var/lib/cnilab/lease.json", content, { sudo: true });
    const one = machines.slice(0, 1);
    const lab = owner("new");
    await expect(acquireLeases(one, lab, { phase: "install" })).rejects.toMatchObject({
      code: "LEASE_HELD",
      message: expect.stringContaining(
        "machine-1 has a lease that cannot be read (/var/lib/cnilab/lease.json: ",
      ) as unknown,
    });
    expect(
      await acquireLeases(one, lab, { phase: "install", isDead: (state) => deathOf(state, lab) !== undefined }),
    ).toHaveLength(1);
    await releaseLeases(one, lab);
  });

  it("are measured in under 3 s, and three good ones have no finding against them", async () => {
    const began = performance.now();
    const findings = await preflightMachines(machines, needs());
    const took = performance.now() - began;
    expect(findings.filter(({ ok }) => !ok)).toEqual([]);
    expect(took).toBeLessThan(3000);
    console.log(`preflight of ${machines.length} machines: ${Math.round(took)} ms`);
  });

  it("serve as the host outside the cluster, and have nothing of it left", async () => {
    const machine = { ...(machines[2] as RigMachine), role: "external" as const };
    const before = machineFacts(machine.container);
    const ask = (path: string): Promise<string> => root(0, `curl -s --max-time 5 http://${machine.address}/${path}`);
    const pid = (): Promise<string> => root(2, "systemctl show --property MainPID --value cnilab-external");
    const wrong = async (force?: "before"): Promise<string[]> => {
      const findings = await preflightMachines([machine], needs(force === undefined ? {} : { force }));
      return findings.filter(({ ok }) => !ok).map(({ code }) => code);
    };
    await serveExternal(machine, machine.address);
    expect(await ask("hostname")).toBe("external");
    expect(await ask("clientip")).toMatch(`${machines[0]?.address}:`);
    const first = await pid();
    expect(await root(2, `stat --format %U /proc/${first.trim()}`)).toBe("nobody\n");
    await serveExternal(machine, machine.address);
    expect(await pid()).toBe(first);
    // As another version's, or a dead lab's, is.
    await root(2, "echo '# of another' >> /run/cnilab/external-server.py");
    expect(await wrong()).toEqual(["MACHINE_PORT_TAKEN", "MACHINE_PORT_TAKEN"]);
    expect(await wrong("before")).toEqual([]);
    await serveExternal(machine, machine.address);
    expect(await pid()).not.toBe(first);

    expect(await endExternal(machine)).toBe(true);
    expect(await endExternal(machine)).toBe(false);
    const listener = "import socket, time; s = socket.socket(); s.bind(('', 80)); s.listen(); time.sleep(600)";
    await root(2, `setsid python3 -c "${listener}" > /dev/null 2>&1 < /dev/null &`);
    await expect.poll(() => root(2, "ss -lnt")).toContain(":80 ");
    await expect(serveExternal(machine, machine.address)).rejects.toMatchObject({
      code: "EXTERNAL_NOT_SERVED",
      message: expect.stringMatching(/machine-3 cannot serve on .* port 80: .*Address already in use/) as unknown,
    });
    await root(2, "pkill -xf 'python3 -c .*sleep.600.*'");
    expect(factsChanged(before, machineFacts(machine.container))).toEqual([]);
  });

  it("tell every defect at once, with a remedy each", async () => {
    await root(0, "mkdir -p /etc/kubernetes /etc/cni/net.d && echo x > /etc/kubernetes/admin.conf");
    const listener = "import socket, time; s = socket.socket(); s.bind(('', 10250)); s.listen(); time.sleep(600)";
    await root(0, `setsid python3 -c "${listener}" > /dev/null 2>&1 < /dev/null &`);
    await root(1, "mkdir -p /etc/ufw && echo ENABLED=yes > /etc/ufw/ufw.conf");
    await root(1, "ip link set eth0 mtu 1400");
    await root(
      1,
      "mount -t tmpfs -o size=64m,nr_inodes=1000 tmpfs /var/lib/containerd/.. 2>/dev/null || mount -t tmpfs -o size=64m tmpfs /var/lib",
    );
    await root(2, "cp /etc/machine-id /root/machine-id.kept");
    await machines[2]?.remote.writeFile("/etc/machine-id", await root(1, "cat /etc/machine-id"), {
      sudo: true,
      mode: 0o644,
    });
    await root(
      2,
      "iptables -I INPUT -p udp --dport 4789 -j DROP; iptables -I INPUT -p tcp --dport 10250 -j REJECT --reject-with icmp-admin-prohibited",
    );
    await expect.poll(() => root(0, "ss -lnt")).toContain(":10250");
    const findings = (await preflightMachines(machines, needs({ kubernetes: [1, 35], packetBytes: 1500 }))).filter(
      ({ ok }) => !ok,
    );
    const messages = findings.map(({ code, message }) => `${code} ${message}`);
    const expected = [
      /^MACHINE_HAS_CLUSTER machine-1: .*\/etc\/kubernetes\/admin\.conf/,
      /^MACHINE_PORT_TAKEN machine-1: tcp port 10250 of the kubelet is taken by python3 \(pid \d+\)/,
      /^MACHINE_FIREWALL machine-2: ufw is active/,
      /^MACHINE_MTU machine-1: packets of more than 140\d bytes do not get to machine-2/,
      /^MACHINE_MTU machine-2: packets of more than 1400 bytes do not get to machine-1/,
      /^MACHINE_DISK machine-2: \d+ MB are free in \/var\/lib/,
      /^MACHINE_ID_TWICE machine-2: machine-id [0-9a-f]{32} is that of machine-3 too/,
      /^MACHINE_UNREACHED machine-1: cannot reach machine-3 .*10250\/tcp \(EHOSTUNREACH\), 4789\/udp \(no answer\)/,
      /^MACHINE_CGROUP machine-3: it has cgroup v1/,
    ];
    for (const pattern of expected) expect(messages).toContainEqual(expect.stringMatching(pattern));
    expect(findings.filter(({ remedy }) => remedy === undefined)).toEqual([]);
  });

  it("without Python or sudo say so, beside what the others lack", async () => {
    await root(0, "mv /usr/bin/python3 /usr/bin/python3.kept");
    const nobody = machines.map((machine, index) =>
      index === 2 ? { ...machine, remote: dockerRemote({ ...machine, user: "lab" }, { user: "nobody" }) } : machine,
    );
    try {
      const findings: Finding[] = await preflightMachines(nobody, needs());
      expect(findings).toContainEqual(expect.objectContaining({ code: "MACHINE_PYTHON", ok: false }));
      expect(findings).toContainEqual(
        expect.objectContaining({ code: "MACHINE_SUDO", message: expect.stringContaining("machine-3: ") as unknown }),
      );
      expect(findings).toContainEqual(expect.objectContaining({ code: "MACHINE_FIREWALL" }));
    } finally {
      execFileSync("docker", ["exec", machines[0]?.container ?? "", "mv", "/usr/bin/python3.kept", "/usr/bin/python3"]);
    }
  });
});

function needs(others: Partial<PreflightNeeds> = {}): PreflightNeeds {
  return {
    cni: "calico in mode vxlan",
    cniPage: "docs/cnis/calico.md",
    kernel: ["vxlan"],
    shapers: ["tbf"],
    ports: [{ protocol: "udp", port: 4789, what: "VXLAN" }],
    packetBytes: 1500,
    podBytes: 1450,
    kubernetes: [1, 34],
    ...others,
  };
}
