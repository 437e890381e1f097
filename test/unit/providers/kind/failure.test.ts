import { expect, test } from "vitest";
import { causeOf, linesThatMatter } from "../../../../src/providers/kind/failure.ts";

test.each([
  ["Failed to create inotify object: Too many open files", "inotify"],
  [
    "docker: Error response from daemon: driver failed: Bind for 127.0.0.1:8080 failed: port is already allocated.",
    "port",
  ],
  ["write /var/lib/docker/tmp: no space left on device", "disk"],
  ["Error response from daemon: manifest unknown", "image"],
  ["Error response from daemon: all predefined address pools have been fully subnetted", "subnet"],
  ["fork/exec /usr/bin/runc: cannot allocate memory", "memory"],
  ["[kubelet-check] The kubelet is not healthy after 4m0.0s", "kubelet"],
  [
    'ERROR: failed to create cluster: could not find a log line that matches "Reached target .*Multi-User System.*"',
    "systemd",
  ],
])("the cause of %j is named", (line, word) => {
  expect(causeOf(["Creating cluster", line])).toMatchObject({ line, reason: expect.stringContaining(word) as string });
});

test("a line of inotify tells more than the time-out that it led to", () => {
  const cause = causeOf(["timed out waiting for the condition", "inotify_init: too many open files"]);
  expect(cause?.reason).toContain("inotify");
});

test("lines without a known cause have none", () => {
  expect(causeOf(["Creating cluster", "something else"])).toBeUndefined();
});

test("debug lines and stack traces are left out", () => {
  const lines = [
    "I1121 15:00:00.000000  1 round_trippers.go:560] GET https://c:6443/healthz failed",
    "error execution phase wait-control-plane",
    "k8s.io/kubernetes/cmd/kubeadm/app.Run",
    "\tcmd/kubeadm/app/kubeadm.go:52 error",
    "goroutine 1 [running]: error",
  ];
  expect(linesThatMatter(lines)).toEqual(["error execution phase wait-control-plane"]);
});
