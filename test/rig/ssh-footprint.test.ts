import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { acquireLeases, newLeaseOwner, releaseLeases } from "../../src/providers/ssh/lease.ts";
import { difference } from "../../src/providers/ssh/footprint/difference.ts";
import type { Footprint } from "../../src/providers/ssh/footprint/facts.ts";
import {
  checkGivenBack,
  leaveFootprint,
  readLeftFootprint,
  takeFootprint,
} from "../../src/providers/ssh/footprint/footprint.ts";
import { cutLink, mendLink, shapeLink } from "../../src/providers/ssh/link-fault.ts";
import { rebootMachine } from "../../src/providers/ssh/reboot.ts";
import { dockerRemote, type DockerRemote } from "./docker-remote.ts";
import { startMachines, type RigMachine, type RigMachines } from "./machines.ts";
import { describeOnRig } from "./rig.ts";

let rig: RigMachines | undefined;
let itself: RigMachine;
let other: RigMachine;
let machine: { name: string; remote: DockerRemote };

function root(script: string): Promise<string> {
  return machine.remote.must(`set -e; ${script}`, [], { sudo: true });
}

/** Every sort of thing that a lab could leave, and how its line begins. */
const PLANTED: readonly [what: string, plant: string, line: RegExp][] = [
  ["a new file", "echo x > /etc/planted.conf", /^file \/etc\/planted\.conf is new/],
  ["a changed file", "echo x >> /etc/hosts.allow", /^file \/etc\/hosts\.allow/],
  ["a changed mode", "chmod 600 /etc/profile", /^file \/etc\/profile: file 644 .* before, file 600 .* now/],
  ["a file that is gone", "rm /etc/issue.net", /^file \/etc\/issue\.net is gone/],
  [
    "a folder with more in it",
    "mkdir -p /etc/kubernetes/pki && touch /etc/kubernetes/pki/ca.crt",
    /^file \/etc\/kubernetes is new \(folder .*, with 2 in it\)/,
  ],
  ["a program", "touch /opt/cni/bin/planted", /^file \/opt\/cni\/bin\/planted is new/],
  ["state", "mkdir -p /var/lib/kubelet /var/lib/cni", /^file \/var\/lib\/kubelet is new/],
  ["a log folder", "mkdir -p /var/log/pods", /^file \/var\/log\/pods is new/],
  ["a run folder", "mkdir -p /run/flannel", /^file \/run\/flannel is new/],
  [
    "a package",
    "mkdir -p /tmp/deb/DEBIAN && printf 'Package: planted\\nVersion: 1.2\\nArchitecture: all\\nMaintainer: x <x@example.org>\\nDescription: x\\n' > /tmp/deb/DEBIAN/control && dpkg-deb --build /tmp/deb /tmp/planted.deb > /dev/null && dpkg -i /tmp/planted.deb > /dev/null 2>&1",
    /^package planted:all is new \(1\.2 ii\)/,
  ],
  ["a package on hold", "echo 'ipset hold' | dpkg --set-selections", /^package ipset:amd64: .* ii before, .* hi now/],
  [
    "a sysctl",
    "sysctl -qw net.ipv4.conf.all.log_martians=1",
    /^sysctl net\/ipv4\/conf\/all\/log_martians: 0 before, 1 now/,
  ],
  ["a route", "ip route add 192.0.2.0/24 dev eth0", /^route 192\.0\.2\.0\/24 dev eth0.* is new/],
  ["a route in a table", "ip route add 192.0.2.0/24 dev eth0 table 77", /^route 192\.0\.2\.0\/24 dev eth0 table 77/],
  ["a rule", "ip rule add fwmark 7 table 77", /^rule .*fwmark 0x7 lookup 77 is new/],
  ["an address", "ip addr add 198.51.100.9/32 dev eth0", /^address eth0 198\.51\.100\.9\/32 is new/],
  ["an interface", "ip link add planted0 type bridge", /^interface planted0 is new \(bridge mtu 1500 down\)/],
  ["another MTU", "ip link set eth0 mtu 1499", /^interface eth0: veth mtu 1500 up before, veth mtu 1499 up now/],
  [
    "a queueing discipline",
    "tc qdisc replace dev eth0 root tbf rate 1gbit burst 100k latency 50ms",
    /^qdisc eth0 tbf root is new/,
  ],
  [
    "an iptables rule",
    "iptables -t nat -A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE",
    /^iptables nat -A POSTROUTING .*MASQUERADE is new/,
  ],
  ["an ip6tables rule", "ip6tables -A INPUT -p tcp -j ACCEPT", /^ip6tables filter -A INPUT/],
  [
    "an nft table",
    "nft 'add table inet planted; add chain inet planted c; add rule inet planted c tcp dport 22 accept'",
    /^nftables table inet planted chain c: tcp dport 22 accept is new/,
  ],
  ["an ipset", "ipset create planted hash:ip && ipset add planted 192.0.2.1", /^ipset add planted 192\.0\.2\.1 is new/],
  [
    "a unit",
    "printf '[Service]\\nExecStart=/bin/sleep 999\\n[Install]\\nWantedBy=multi-user.target\\n' > /etc/systemd/system/planted.service && systemctl daemon-reload && systemctl enable --now planted 2> /dev/null",
    /^unit planted\.service is new \(active\)/,
  ],
  ["a unit that is enabled", "true", /^unit file planted\.service is new \(enabled\)/],
  ["a mount", "mkdir -p /mnt/x && mount -t tmpfs planted /mnt/x", /^mount \/mnt\/x tmpfs planted is new/],
  ["a cgroup", "mkdir -p /sys/fs/cgroup/memory/kubepods/besteffort", /^cgroup memory\/kubepods is new/],
  ["a user", "useradd --no-create-home planted", /^user planted is new/],
  ["a group", "true", /^group planted is new/],
  ["a network namespace", "ip netns add planted", /^network namespace planted is new/],
  [
    "a listener",
    "setsid python3 -c 'import socket, time; s = socket.create_server((\"\", 10250)); time.sleep(600)' > /dev/null 2>&1 < /dev/null &",
    /^listener tcp 10250 python3 is new/,
  ],
  ["a containerd namespace", "ctr namespaces create k8s.io", /^containerd namespace k8s\.io is new/],
];

describeOnRig("what is left on a machine", () => {
  beforeAll(() => {
    rig = startMachines(2);
    const [first, second] = rig.machines;
    if (first === undefined || second === undefined) throw new Error("no machines");
    [itself, other] = [first, second];
    machine = { name: first.name, remote: dockerRemote(first) };
  });
  afterAll(() => rig?.remove());

  let before: Footprint;

  it("is nothing where nothing was done, with time between and a lease", async () => {
    before = await takeFootprint(machine, { home: "/home/lab" });
    const problems = Object.values(before.sections).map(({ problem }) => problem);
    expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
    const lab = newLeaseOwner("shop", "/somewhere");
    await acquireLeases([machine], lab, { phase: "install" });
    await leaveFootprint(machine.remote, before);
    expect(await readLeftFootprint(machine.remote)).toEqual(before);
    console.log(`footprint: ${JSON.stringify(before).length} bytes`);
    await releaseLeases([machine], lab);
    expect(await root("ls -A /var/lib/cnilab 2>&1 || true")).toContain("No such file");
    const began = performance.now();
    const again = await takeFootprint(machine, { home: "/home/lab" });
    console.log(`taken in ${Math.round(performance.now() - began)} ms`);
    expect(difference(before, again)).toEqual({ lines: [], notes: [] });
  });

  it("is a link that was cut and mended: nothing, whoever mends it", { timeout: 120_000 }, async () => {
    await root(
      "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0; ip -6 addr add 2001:db8::1/64 dev eth0 nodad; ip -6 route add 2001:db8:7::/48 via 2001:db8::9",
    );
    await root(
      "ip route add 198.51.100.0/24 via $(ip -4 route show default | cut -d ' ' -f 3); ip route add 203.0.113.0/24 dev eth0 table 77",
    );
    const whole = await takeFootprint(machine);
    const ping = (): Promise<number | null> =>
      machine.remote.run(["ping", "-c", "1", "-W", "1", other.address]).then(({ exitCode }) => exitCode);
    expect(await ping()).toBe(0);
    expect(await cutLink(machine, "eth0", { durationMs: 60_000 })).toMatchObject({ isOurWay: false });
    expect(await ping()).not.toBe(0);
    expect(await mendLink(machine, "eth0")).toBe(true);
    await expect.poll(ping, { timeout: 5000 }).toBe(0);
    expect(difference(whole, await takeFootprint(machine)).lines).toEqual([]);
    expect(await mendLink(machine, "eth0")).toBe(false);
    // Our program is killed as soon as the link is down.
    const program = fileURLToPath(new URL("link-cutter.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", program, itself.container, "4000"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    expect(await ping()).not.toBe(0);
    await expect.poll(ping, { timeout: 15_000 }).toBe(0);
    expect(await mendLink(machine, "eth0")).toBe(false);
    expect(difference(whole, await takeFootprint(machine)).lines).toEqual([]);
  });

  it("is nothing of the link that we come by, which only its switch can mend", async () => {
    const sshConnection = `${other.address} 40000 ${itself.address} 22`;
    const byEth0 = { name: itself.name, remote: dockerRemote(itself, { sshConnection }) };
    await expect(cutLink(byEth0, "eth0")).rejects.toMatchObject({ code: "FAULT_NEEDS_DURATION" });
    expect(await cutLink(byEth0, "eth0", { durationMs: 3000 })).toMatchObject({ isOurWay: true });
    const up = (): Promise<string> => root("cat /sys/class/net/eth0/operstate");
    await expect.poll(up, { interval: 20 }).toContain("down");
    await expect.poll(up, { timeout: 10_000 }).toContain("up");
    await expect.poll(() => root("ls /run/cnilab 2>&1 || true")).toContain("No such file");
  });

  it("says what link faults cannot be", async () => {
    await expect(cutLink(machine, "eth7")).rejects.toMatchObject({
      code: "FAULT_NO_INTERFACE",
      message: expect.stringContaining("it has eth0, lo") as unknown,
    });
    await expect(cutLink(machine, "$(reboot)")).rejects.toMatchObject({ code: "FAULT_NO_INTERFACE" });
    await expect(cutLink(machine, "eth0", { durationMs: 10 })).rejects.toMatchObject({ code: "FAULT_DURATION" });
    const whole = await takeFootprint(machine);
    // The rig's kernel has tbf and no netem.
    await expect(shapeLink(machine, "eth0", { delayMs: 20 })).rejects.toMatchObject({
      code: "FAULT_NOT_POSSIBLE",
      message: expect.stringContaining("cannot shape by netem") as unknown,
    });
    await shapeLink(machine, "eth0", { rateBps: 5e6 });
    expect(await root("tc qdisc show dev eth0")).toMatch(/tbf .* rate 5Mbit/);
    expect(await mendLink(machine, "eth0")).toBe(true);
    expect(difference(whole, await takeFootprint(machine)).lines).toEqual([]);
  });

  it("is told, whatever it is", async () => {
    const clean = await takeFootprint(machine);
    for (const [, plant] of PLANTED) await root(plant);
    await expect.poll(() => root("ss -lnt")).toContain(":10250");
    const { lines } = difference(clean, await takeFootprint(machine));
    for (const [what, , line] of PLANTED) {
      expect(lines, what).toContainEqual(expect.stringMatching(line));
    }
    await expect(checkGivenBack(machine, clean)).rejects.toMatchObject({
      code: "MACHINE_UNCLEAN",
      message: expect.stringMatching(/^machine-1 is not as it was before the lab:\n {2}\S/) as unknown,
    });
  });

  it("is forgotten by a restart, after which the machine is found again", { timeout: 90_000 }, async () => {
    const docker = spawn("docker", ["wait", itself.container], { stdio: "ignore" });
    const restarted = once(docker, "close").then(() => once(spawn("docker", ["start", itself.container]), "close"));
    const took = await rebootMachine(machine, { timeoutMs: 60_000 });
    await restarted;
    console.log(`restart: ${Math.round(took)} ms`);
    expect(await root("cat /sys/class/net/eth0/operstate")).toContain("up");
    await expect(
      rebootMachine(
        {
          ...machine,
          remote: { run: (argv, options) => machine.remote.run(argv[0] === "systemctl" ? ["true"] : argv, options) },
        },
        { timeoutMs: 1500 },
      ),
    ).rejects.toMatchObject({ code: "MACHINE_NOT_BACK" });
  });
});
