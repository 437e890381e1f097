import { execFileSync } from "node:child_process";
import Dockerode from "dockerode";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cutLink, mendLink } from "../../src/providers/kind/link-fault.ts";
import { describeOnRig } from "./rig.ts";

const LINK = "lab0";

/** Two addresses and two routes, one a family. */
const MAKE_LINK = `
ip link add ${LINK} type veth peer name peer0
ip link set peer0 up
ip addr add 192.0.2.1/24 dev ${LINK}
ip -6 addr add 2001:db8::1/64 dev ${LINK} nodad
ip link set ${LINK} up
ip route add 198.51.100.0/24 via 192.0.2.9
ip -6 route add 2001:db8:1::/64 via 2001:db8::9`;

/** What is to be as before; link-local addresses come by themselves. */
const SHOW_LINK = `
ip -o link show ${LINK} | grep -o "<[^>]*>"
ip -o addr show ${LINK} scope global
ip route show dev ${LINK}
ip -6 route show dev ${LINK} | sed /fe80/d`;

/** In a container that has the tools of a kind node; no cluster is needed to cut a link. */
describeOnRig("a link that a fault cuts on kind", () => {
  let container: Dockerode.Container;
  let before: string;

  beforeAll(() => {
    const id = docker(
      "run",
      "--detach",
      "--privileged",
      // Who reaps what the timers leave, as a node's systemd does.
      "--init",
      "--network",
      "none",
      "--entrypoint",
      "sleep",
      "rig/machine:1",
      "1h",
    );
    container = new Dockerode().getContainer(id);
    docker("exec", id, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0");
    inside(MAKE_LINK);
    before = inside(SHOW_LINK);
  });
  afterAll(() => {
    docker("rm", "--force", "--volumes", container.id);
  });

  test("is mended by the node itself when its time is over, with addresses and routes", async () => {
    await cutLink(container, { interface: LINK, durationMs: 1500 });
    expect(inside(SHOW_LINK)).not.toBe(before);
    await expect.poll(() => inside(SHOW_LINK), { timeout: 20_000, interval: 100 }).toBe(before);
    await expect.poll(() => inside("ls /run | grep cnilab || true"), { timeout: 5000 }).toBe("");
  });

  test("is mended by us before that, and a timer that was is not one of the next cut", async () => {
    await cutLink(container, { interface: LINK, durationMs: 3_600_000 });
    expect(timers()).toBe(1);
    await mendLink(container, { interface: LINK });
    expect(inside(SHOW_LINK)).toBe(before);
    expect(timers()).toBe(0);
    // Again, with a time, then with another: the last one counts.
    await cutLink(container, { interface: LINK });
    await cutLink(container, { interface: LINK, durationMs: 60_000 });
    await cutLink(container, { interface: LINK, durationMs: 3_600_000 });
    expect(timers()).toBe(1);
    expect(inside(SHOW_LINK)).not.toBe(before);
    await mendLink(container, { interface: LINK });
    await mendLink(container, { interface: LINK });
    expect(inside(SHOW_LINK)).toBe(before);
    expect(timers()).toBe(0);
  });

  function inside(script: string): string {
    return docker("exec", container.id, "sh", "-c", script);
  }

  /** But the container's own. */
  function timers(): number {
    return Number(inside("pgrep -xc sleep")) - 1;
  }
});

function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8", timeout: 60_000 }).trim();
}
