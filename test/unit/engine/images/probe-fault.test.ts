import { describe, expect, it } from "vitest";
import { containerStarts } from "../../../../src/engine/images/container-start.ts";
import { probeFault } from "../../../../src/engine/images/probe-fault.ts";
import { planContainer, planPod } from "../../../../src/engine/images/registry.ts";
import type { Container } from "../../../../src/kube/types.ts";
import { pod } from "../store/objects.ts";

function fault(readinessProbe: Record<string, unknown>, container: Partial<Container> = {}): string | undefined {
  const whole: Container = {
    name: "c",
    image: "nginx",
    ports: [
      { name: "http", containerPort: 80 },
      { name: "admin", containerPort: 81 },
    ],
    readinessProbe,
    ...container,
  };
  return probeFault(whole, "Readiness", planContainer(whole).listens);
}

describe("a readiness probe", () => {
  it.each([
    [{ httpGet: { port: 80 } }],
    [{ httpGet: { port: "http", path: "/index.html" } }],
    [{ tcpSocket: { port: 80 } }],
    [{ exec: { command: ["true"] } }],
    [{}],
  ])("%j passes on nginx", (probe) => {
    expect(fault(probe)).toBeUndefined();
  });

  it.each([
    [{ httpGet: { port: 8080 } }, "Readiness probe failed: Get port 8080/: connection refused"],
    [{ httpGet: { port: "admin" } }, "Readiness probe failed: Get port admin/: connection refused"],
    [{ httpGet: { port: 80, path: "/healthz" } }, "Readiness probe failed: HTTP probe failed with statuscode: 404"],
    [
      { httpGet: { port: 80, scheme: "HTTPS" } },
      "Readiness probe failed: Get port 80/: the server speaks HTTP, not HTTPS",
    ],
    [{ tcpSocket: { port: 81 } }, "Readiness probe failed: dial tcp port 81: connection refused"],
  ])("%j fails on nginx", (probe, expected) => {
    expect(fault(probe)).toBe(expected);
  });

  it("does not reach a server that listens on localhost only", () => {
    expect(
      fault({ tcpSocket: { port: 5678 } }, { image: "http-echo", args: ["-listen=127.0.0.1:5678", "-text=x"] }),
    ).toContain("connection refused");
  });
});

describe("what becomes of containers", () => {
  it("is told from their plans and their sockets", () => {
    const containers = [
      { name: "ok", image: "nginx" },
      { name: "late", image: "redis", readinessProbe: { tcpSocket: { port: 1 } } },
      { name: "twice", image: "nginx" },
      { name: "done", image: "busybox" },
      { name: "bad", image: "B:B:B" },
    ];
    const subject = pod("web", { spec: { containers } });
    const starts = containerStarts(subject, planPod(subject), [
      { container: "ok", protocol: "TCP", port: 80 },
      { container: "twice", protocol: "TCP", port: 80, error: { code: "EADDRINUSE", message: "bind: EADDRINUSE" } },
    ]);
    expect(starts.map(({ name, state, notReady }) => [name, state.kind, notReady !== undefined])).toEqual([
      ["ok", "running", false],
      ["late", "running", true],
      ["twice", "exited", false],
      ["done", "exited", false],
      ["bad", "waiting", false],
    ]);
    expect(starts[2]?.state).toEqual({
      kind: "exited",
      exitCode: 1,
      message: "cannot listen on port 80/TCP: EADDRINUSE",
    });
  });
});

describe("a readiness probe of an HTTPS server", () => {
  const listens = planContainer({ name: "c", image: "nginx" }).listens.map((listen) => ({
    ...listen,
    behaviour: { kind: "http" as const, app: "nginx" as const, tls: { cert: "", key: "" } },
  }));
  const ask = (httpGet: Record<string, unknown>): string | undefined =>
    probeFault({ name: "c", image: "nginx", readinessProbe: { httpGet } }, "Readiness", listens);

  it("passes over HTTPS, and is told so over HTTP", () => {
    expect(ask({ port: 80, scheme: "HTTPS" })).toBeUndefined();
    expect(ask({ port: 80 })).toBe("Readiness probe failed: HTTP probe failed with statuscode: 400");
  });
});
