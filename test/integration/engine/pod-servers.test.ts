import { beforeAll, describe, expect, test } from "vitest";
import type { ListenResult, ServerResponse } from "../../../src/engine/servers/messages.ts";
import { inNamespace } from "../../in-namespace.ts";

interface Seen {
  started: ListenResult[][];
  page: string;
  hostname: string;
  shell: string;
  overTls: string;
  untrusted: string;
  plainToTls: string;
  afterThat: string;
  elsewhere: string;
  before: string;
  zone: ServerResponse;
  after: string;
  overTcp: string;
  counted: Record<string, Record<string, number>>;
  garbageAnswer: string;
  crowdMs: number;
  politeAnswer: string;
  killed: string[];
  refused: string;
  manyFailed: number;
  manyMs: number;
  manyCpuMs: number;
  logs: ServerResponse;
  unknownStop: ServerResponse;
}

describe("the server thread", () => {
  let seen: Seen;

  beforeAll(async () => {
    seen = (await inNamespace("pod-servers.ts")) as Seen;
  });

  test("opens every container's sockets in the pod's own namespace", () => {
    expect(seen.started[0]).toEqual([
      { container: "c0", protocol: "TCP", port: 80 },
      { container: "c1", protocol: "TCP", port: 8080 },
      { container: "c1", protocol: "UDP", port: 8081 },
      { container: "c2", protocol: "TCP", port: 6379 },
    ]);
    expect(seen.hostname).toBe("web");
    expect(seen.elsewhere).toBe("000");
  });

  test("says which container could not have its port", () => {
    expect(seen.started[1]).toMatchObject([{ container: "c0" }, { container: "c1", error: { code: "EADDRINUSE" } }]);
    expect(seen.started[1]?.[0]).not.toHaveProperty("error");
  });

  test("answers as the image would, naming the pod", () => {
    expect(seen.page).toContain("HTTP/1.1 200 OK");
    expect(seen.page).toMatch(/x-pod-name: web/i);
    expect(seen.page).toContain("Welcome to nginx!");
  });

  test("speaks HTTPS with the certificate it was given, and goes on when a client does not", () => {
    expect(seen.overTls).toBe("secure");
    expect(seen.untrusted).toContain("SSL certificate problem: self-signed certificate");
    expect(seen.plainToTls).toMatch(/^curl: \((52|56)\)/);
    expect(seen.afterThat).toBe("secure");
  });

  test("runs no commands for agnhost's /shell", () => {
    expect(seen.shell).toBe("501");
  });

  test("answers DNS from the zone it was last told, over UDP and TCP", () => {
    expect(seen.before).toContain("status: SERVFAIL");
    expect(seen.zone).toMatchObject({ type: "dns", version: 7 });
    expect([seen.after, seen.overTcp]).toEqual(["10.96.7.7\n", "10.96.7.7\n"]);
  });

  test("counts what each container was asked: requests of HTTP, other connections, datagrams", () => {
    // Of `secure` two handshakes failed; of `dns` one question came by TCP.
    expect(seen.counted).toEqual({ web: { c0: 1, c1: 2 }, twins: {}, dns: { c0: 3 }, secure: { c0: 2 } });
  });

  test("serves a polite client beside half-open, garbage and deaf ones, and a thousand connections at once", () => {
    expect(seen.garbageAnswer).toBe("HTTP/1.1 400 Bad Request");
    expect(seen.politeAnswer).toContain("HTTP/1.1 200 OK");
    // A dropped SYN would be sent again after a second.
    expect(seen.crowdMs).toBeLessThan(1000);
  });

  test("ends one container, its connections included, while the others go on", () => {
    expect(seen.killed).toEqual(["ECONNREFUSED", "accepted", "accepted"]);
  });

  test("stops a pod at once, its connections included", () => {
    expect(seen.refused).toBe("ECONNREFUSED");
    expect(seen.unknownStop).toMatchObject({ type: "stopped" });
  });

  test("starts the servers of a hundred pods in little time", () => {
    expect(seen.manyFailed).toBe(0);
    // 25–45 ms measured on two busy cores; the bound leaves room for a slower machine.
    expect(seen.manyCpuMs).toBeLessThan(250);
  });

  test("keeps what the servers wrote, for logs", () => {
    expect(seen.logs).toMatchObject({
      part: {
        isOver: false,
        lines: [
          { number: 1, text: "listening on 0.0.0.0:80/tcp" },
          {
            text: expect.stringMatching(
              /^127\.0\.0\.1 - - \[\S+ \+0000\] "GET \/ HTTP\/1\.1" 200 \d+ "-" "curl\/\S+" "-"$/,
            ) as string,
          },
        ],
      },
    });
  });
});
