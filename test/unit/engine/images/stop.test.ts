import { expect, test } from "vitest";
import { hookWarnings, preStopHook } from "../../../../src/engine/images/pre-stop.ts";
import { planPod } from "../../../../src/engine/images/registry.ts";
import type { Container, PodSpec } from "../../../../src/kube/types.ts";
import { pod } from "../store/objects.ts";

const agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53";
const script = (text: string, command = ["sh", "-c"]): Partial<Container> => ({
  image: "busybox:1.35",
  command: [...command, text],
});

function stopOf(container: Partial<Container>, spec: Partial<PodSpec> = {}): [number, number] | undefined {
  const [plan] = planPod(pod("p", { spec: { containers: [{ name: "c", image: agnhost, ...container }], ...spec } }));
  return plan && [plan.stop.afterMs, plan.stop.exitCode];
}

test.each<[what: string, container: Partial<Container>, stop: [afterMs: number, exitCode: number]]>([
  ["netexec", { args: ["netexec"] }, [0, 0]],
  ["netexec with a delay", { args: ["netexec", "--delay-shutdown", "7"] }, [7000, 0]],
  ["serve-hostname", { args: ["serve-hostname"] }, [60_000, 0]],
  ["agnhost pause", { args: ["pause"] }, [0, 2]],
  ["porter", { args: ["porter"] }, [0, 2]],
  ["nginx", { image: "nginx:1.27" }, [0, 0]],
  ["what nobody knows", { image: "example.org/app:1" }, [0, 0]],
  ["sleep", { image: "busybox:1.35", command: ["sleep", "infinity"] }, [Infinity, 143]],
  ["busybox httpd", { image: "busybox:1.35", command: ["httpd", "-f"] }, [Infinity, 143]],
  ["python", { image: "python:3", command: ["python", "-m", "http.server"] }, [Infinity, 143]],
  ["nc", script("nc -l -p 80 -e cat"), [Infinity, 143]],
  ["socat", { image: "alpine/socat", command: ["socat", "TCP-LISTEN:80", "PIPE"] }, [0, 143]],
  ["a process under an init", { image: "busybox:1.35", command: ["tini", "--", "sleep", "infinity"] }, [0, 143]],
  ["a script's last command", script("echo hello; exec /agnhost netexec --delay-shutdown=3"), [3000, 0]],
  ["a command that is not the last", script("/agnhost netexec; echo bye"), [Infinity, 143]],
  ["an endless loop", script("while true; do sleep 5; done"), [Infinity, 143]],
  ["a loop with a trap", script("trap 'exit 3' TERM; while true; do sleep 5; done"), [5000, 3]],
  ["a trap and wait", script("trap 'exit' SIGTERM; sleep infinity & wait"), [0, 0]],
  ["wait without a trap", script("sleep infinity & wait"), [Infinity, 143]],
  ["a trap that waits for its command", script("trap 'exit 0' TERM; sleep infinity"), [Infinity, 143]],
  ["a trap of another signal", script("trap 'exit 0' HUP; sleep infinity & wait"), [Infinity, 143]],
])("%s, told to end", (_, container, stop) => {
  expect(stopOf(container)).toEqual(stop);
});

test("a process that is not process 1 is ended by a signal that it does not handle", () => {
  const sleeping = script("sleep infinity");
  expect(stopOf(sleeping, { shareProcessNamespace: true })).toEqual([0, 143]);
  expect(stopOf(sleeping, { hostPID: true })).toEqual([0, 143]);
  expect(stopOf({ args: ["netexec", "--delay-shutdown=7"] }, { hostPID: true })).toEqual([7000, 0]);
});

test("a delay that is no number ends netexec", () => {
  const [plan] = planPod(
    pod("p", { spec: { containers: [{ name: "c", image: agnhost, args: ["netexec", "--delay-shutdown=1s"] }] } }),
  );
  expect(plan?.end?.exitCode).toBe(1);
});

const container = (preStop: object): Container => ({ name: "c", image: "nginx", lifecycle: { preStop } }) as Container;
const LISTENS = [{ container: "c", protocol: "TCP" as const, port: 80, behaviour: { kind: "sink" as const } }];

test.each([
  [{ sleep: { seconds: 5 } }, { takesMs: 5000 }],
  [{ httpGet: { port: 80, path: "/stop" } }, { takesMs: 0 }],
  [{ httpGet: { port: 81 } }, { takesMs: 0, fault: "dial tcp port 81: connection refused" }],
  [{ httpGet: { port: 81, host: "example.org" } }, { takesMs: 0 }],
  [{ exec: { command: ["sleep", "1.5"] } }, { takesMs: 1500 }],
  [{ exec: { command: ["/bin/sh", "-c", "sleep 1m 3; sleep 2s"] } }, { takesMs: 65_000 }],
  [{ exec: { command: ["sh", "-c", "sleep 4; /usr/sbin/nginx -s quit; sleep 9"] } }, { takesMs: 4000, exitCode: 0 }],
  [{ exec: { command: ["/drain.sh"] } }, { takesMs: 0 }],
])("a preStop hook %j", (preStop, hook) => {
  expect(preStopHook(container(preStop), LISTENS)).toEqual(hook);
});

test("a container without a hook has none, and a command that is not known is warned of", () => {
  expect(preStopHook({ name: "c", image: "nginx" }, LISTENS)).toBeUndefined();
  const known = container({ exec: { command: ["sh", "-c", "sleep 5 && nginx -s quit"] } });
  expect(hookWarnings([known, container({ sleep: { seconds: 1 } })])).toEqual([]);
  expect(hookWarnings([container({ exec: { command: ["/drain.sh"] } })])).toMatchObject([
    { code: "MANIFEST_NOT_MODELLED", message: expect.stringContaining('container "c"') as string },
  ]);
});
