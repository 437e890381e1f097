import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { knownImages } from "../../../../src/engine/images/known-images.ts";
import { parseImageName } from "../../../../src/engine/images/image-name.ts";
import { imageWarnings, planContainer, planPod } from "../../../../src/engine/images/registry.ts";
import type { Container } from "../../../../src/kube/types.ts";
import { pod } from "../store/objects.ts";

/** What a container would listen on, as `80/tcp http:nginx`; or how it ends. */
function planned(image: string, container: Partial<Container> = {}): string {
  const plan = planContainer({ name: "c", image, ...container });
  if (plan.end !== undefined) return `ends ${plan.end.exitCode}`;
  if (plan.waiting !== undefined) return plan.waiting.reason;
  const listens = plan.listens.map(({ port, protocol, address, behaviour }) => {
    const what = behaviour.kind === "http" ? `http:${behaviour.app}` : behaviour.kind;
    return `${address === undefined ? "" : `${address}:`}${port}/${protocol.toLowerCase()} ${what}`;
  });
  return listens.join(", ") || "idle";
}

const sh = (script: string): Partial<Container> => ({ command: ["sh", "-c", script] });

describe("what images listen on", () => {
  it.each([
    ["nginx", {}, "80/tcp http:nginx"],
    ["docker.io/library/nginx:1.27-alpine", {}, "80/tcp http:nginx"],
    ["registry.example:5000/mirror/nginx@sha256:" + "a".repeat(64), {}, "80/tcp http:nginx"],
    ["nginx", { args: ["nginx", "-g", "daemon off;"] }, "80/tcp http:nginx"],
    ["nginx", { ports: [{ containerPort: 8080 }] }, "80/tcp http:nginx"],
    ["nginx", { command: ["sleep", "3600"] }, "idle"],
    ["nginxinc/nginx-unprivileged", {}, "8080/tcp http:nginx"],
    ["httpd:2.4", {}, "80/tcp http:apache"],
    ["registry.k8s.io/e2e-test-images/agnhost:2.53", {}, "idle"],
    ["agnhost", { args: ["netexec"] }, "8080/tcp http:netexec, 8081/udp netexec-udp"],
    ["agnhost", { args: ["netexec", "--http-port=80", "--udp-port", "53"] }, "80/tcp http:netexec, 53/udp netexec-udp"],
    ["agnhost", { command: ["/agnhost", "netexec", "--udp-port=-1"] }, "8080/tcp http:netexec"],
    [
      "agnhost",
      { args: ["netexec", "--http-port=$(PORT)"], env: [{ name: "PORT", value: "9000" }] },
      "9000/tcp http:netexec, 8081/udp netexec-udp",
    ],
    ["agnhost", { args: ["netexec", "--http-port=http"] }, "ends 1"],
    ["agnhost", { args: ["serve-hostname"] }, "9376/tcp http:hostname"],
    ["agnhost", { args: ["serve-hostname", "--http=false", "--tcp", "--udp", "--port=80"] }, "80/tcp say, 80/udp say"],
    [
      "agnhost",
      {
        args: ["porter"],
        env: [
          { name: "SERVE_PORT_81", value: "eighty-one" },
          { name: "OTHER", value: "1" },
        ],
      },
      "81/tcp http:fixed-text",
    ],
    ["agnhost", { args: ["connect", "10.0.0.1:80"] }, "ends 0"],
    ["agnhost", { args: ["constructor"] }, "ends 0"],
    ["hashicorp/http-echo", { args: ["-text=hi"] }, "5678/tcp http:fixed-text"],
    ["hashicorp/http-echo", { args: ["-listen", "127.0.0.1:80", "-text", "hi"] }, "127.0.0.1:80/tcp http:fixed-text"],
    ["hashicorp/http-echo", {}, "ends 127"],
    ["traefik/whoami", { args: ["--port", "8080"] }, "8080/tcp http:whoami"],
    ["ealen/echo-server", { env: [{ name: "PORT", value: "3000" }] }, "3000/tcp http:echo-json"],
    ["jmalloc/echo-server", {}, "8080/tcp http:echo-text"],
    ["gcr.io/google-samples/hello-app:1.0", {}, "8080/tcp http:hello-app"],
    ["redis:7", {}, "6379/tcp redis"],
    ["redis:7", { args: ["--port", "7000"] }, "7000/tcp redis"],
    ["redis:7", { args: ["redis-server", "--port", "7001"] }, "7001/tcp redis"],
    ["postgres:16", {}, "ends 1"],
    ["postgres:16", { env: [{ name: "POSTGRES_PASSWORD", value: "x" }] }, "5432/tcp postgres"],
    [
      "postgres:16",
      { env: [{ name: "POSTGRES_PASSWORD", valueFrom: { secretKeyRef: {} } } as never] },
      "5432/tcp postgres",
    ],
    ["mysql:8", { env: [{ name: "MYSQL_ROOT_PASSWORD", value: "x" }] }, "3306/tcp mysql"],
    ["mariadb", {}, "ends 1"],
    ["mongo:7", {}, "27017/tcp sink"],
    ["memcached", { args: ["-p", "11212"] }, "11212/tcp memcached"],
    [
      "registry.k8s.io/coredns/coredns:v1.11.3",
      { args: ["-conf", "/etc/coredns/Corefile"] },
      "53/udp dns, 53/tcp dns, 9153/tcp http:coredns-metrics, 8080/tcp http:ok, 8181/tcp http:ok",
    ],
    ["registry.k8s.io/pause:3.10", {}, "idle"],
    ["networkstatic/iperf3", { args: ["-s"] }, "5201/tcp sink"],
    ["busybox", {}, "ends 0"],
    ["busybox", { stdin: true, tty: true }, "idle"],
    ["busybox", { stdin: true, stdinOnce: true, args: ["wget", "http://web"] }, "idle"],
    ["busybox", { stdin: true, args: ["wget", "http://web"] }, "ends 0"],
    ["busybox", { command: ["sleep", "infinity"] }, "idle"],
    ["busybox", { args: ["nc", "-lk", "-p", "8080"] }, "8080/tcp sink"],
    ["busybox", { command: ["nc", "-lk", "-p", "8080", "-e", "cat"] }, "8080/tcp echo"],
    ["busybox", { command: ["nc", "-lk", "-p", "8080", "-e", "echo", "hi"] }, "8080/tcp say"],
    ["alpine", { command: ["nc", "-ul", "5353"] }, "5353/udp sink"],
    ["alpine", { command: ["nc", "10.0.0.1", "80"] }, "ends 0"],
    ["busybox", { command: ["httpd", "-f", "-p", "8080"] }, "8080/tcp http:directory-listing"],
    ["busybox", { command: ["httpd", "-p", "8080"] }, "ends 0"],
    [
      "python:3.12",
      { command: ["python3", "-m", "http.server", "9000", "--bind", "0.0.0.0"] },
      "9000/tcp http:directory-listing",
    ],
    ["python:3.12", {}, "ends 0"],
    ["nicolaka/netshoot", { command: ["tail", "-f", "/dev/null"] }, "idle"],
    ["curlimages/curl", {}, "ends 0"],
    ["alpine/socat", { command: ["socat", "TCP-LISTEN:7,fork", "EXEC:cat"] }, "7/tcp echo"],
    [
      "my/app",
      {
        ports: [
          { containerPort: 9000 },
          { containerPort: 53, protocol: "UDP" },
          { containerPort: 99, protocol: "SCTP" },
        ],
      },
      "9000/tcp echo, 53/udp echo",
    ],
    ["my/app", { command: ["/server"], ports: [{ containerPort: 9000 }] }, "9000/tcp echo"],
    ["nginx:bad tag", {}, "InvalidImageName"],
    ["UPPER/case", {}, "InvalidImageName"],
  ] as [string, Partial<Container>, string][])("%s %j: %s", (image, container, expected) => {
    expect(planned(image, container)).toBe(expected);
  });
});

describe("what scripts listen on", () => {
  it.each([
    ["sleep 3600", "idle"],
    ["echo hello", "ends 0"],
    ["exit 3", "ends 3"],
    ["while true; do date; sleep 5; done", "idle"],
    ["while true; do echo hi | nc -l -p 8080; done", "8080/tcp sink"],
    ["echo hello > /tmp/index.html && httpd -f -p 8080 -h /tmp", "8080/tcp http:directory-listing"],
    ["httpd -p 8080; sleep 3600", "8080/tcp http:directory-listing"],
    ["nc -lk -p 1111 & nc -lk -p 2222 & wait", "1111/tcp sink, 2222/tcp sink"],
    ["nc -lk -p 1111 &\nsleep infinity # and so on", "1111/tcp sink"],
    ["nc -lk -p 1111 & echo done", "ends 0"],
    ["exec python3 -m http.server 80 2>&1", "80/tcp http:directory-listing"],
    ["trap 'exit 0' TERM; sleep infinity & wait", "idle"],
    ['sh -c "nc -lk -p 4444"', "4444/tcp sink"],
    ["'", "ends 127"],
  ])("%j: %s", (script, expected) => {
    expect(planned("busybox", sh(script))).toBe(expected);
  });

  it("waits where a background process is waited for", () => {
    expect(planned("busybox", sh("sleep infinity & wait"))).toBe("idle");
  });

  it("says when it does not know a program that a script runs", () => {
    expect(
      planContainer({ name: "c", image: "my/app", ...sh("./server --port 9000"), ports: [{ containerPort: 9000 }] }),
    ).toMatchObject({ isUnknown: true, listens: [{ port: 9000 }] });
  });
});

describe("image names", () => {
  it.each([
    ["nginx", { repository: "nginx", tag: "latest" }],
    ["localhost/a/b:1", { repository: "a/b", tag: "1" }],
    ["localhost:5000/b", { repository: "b", tag: "latest" }],
    ["docker.io/library/redis:7.2", { repository: "redis", tag: "7.2" }],
  ])("%s", (text, expected) => {
    expect(parseImageName(text)).toEqual(expected);
  });

  it.each(["", ":", "a//b", "a:b:c/d", "nginx@sha256:12", "../nginx", "nginx:", "a b"])("refuses %j", (text) => {
    expect(parseImageName(text)).toBeUndefined();
  });
});

describe("warnings", () => {
  it("name the container and what listens instead", () => {
    expect(
      imageWarnings([
        { name: "app", image: "my/app", ports: [{ containerPort: 9000 }] },
        { name: "web", image: "nginx" },
      ]),
    ).toMatchObject([
      {
        code: "IMAGE_NOT_MODELLED",
        message:
          'container "app": what image "my/app" runs is not known here; plain servers listen on its declared ports 9000/tcp',
      },
    ]);
    expect(imageWarnings([{ name: "app", image: "my/app" }])[0]?.message).toContain(
      "it declares no ports, so nothing listens in it",
    );
  });
});

describe("a pod", () => {
  it("runs its sidecars beside its containers, and no other init containers", () => {
    const spec = {
      initContainers: [
        { name: "init", image: "busybox" },
        { name: "side", image: "redis", restartPolicy: "Always" },
      ],
      containers: [{ name: "main", image: "nginx" }],
    };
    expect(planPod(pod("web", { spec })).map(({ name }) => name)).toEqual(["side", "main"]);
  });
});

describe("agnhost netexec with a certificate", () => {
  const pem = (name: string) =>
    readFileSync(new URL(`../../../fixtures/tls/kubernetes.${name}`, import.meta.url), "utf8");
  const files: Record<string, string> = { "/c/tls.crt": pem("crt"), "/c/tls.key": pem("key"), "/c/text": "hello" };
  const plan = (...flags: string[]) =>
    planContainer({ name: "c", image: "agnhost", args: ["netexec", ...flags] }, undefined, (_, path) => files[path]);

  it("speaks HTTPS on its port", () => {
    const { listens } = plan("--http-port=8443", "--tls-cert-file=/c/tls.crt", "--tls-private-key-file=/c/tls.key");
    expect(listens[0]).toMatchObject({
      port: 8443,
      behaviour: { kind: "http", app: "netexec", tls: { cert: pem("crt"), key: pem("key") } },
    });
    expect(plan().listens[0]?.behaviour).not.toHaveProperty("tls");
    // As the real one, which looks at the certificate's flag only.
    expect(plan("--tls-private-key-file=/c/tls.key").listens[0]?.behaviour).not.toHaveProperty("tls");
  });

  it.each([
    [["--tls-cert-file=/c/ghost", "--tls-private-key-file=/c/tls.key"], /^open \/c\/ghost: no such file/],
    [["--tls-cert-file=/c/tls.crt"], /^open : no such file/],
    [["--tls-cert-file=/c/text", "--tls-private-key-file=/c/tls.key"], /cannot be loaded: .*PEM/],
    [["--tls-cert-file=/c/tls.crt", "--tls-private-key-file=/c/text"], /cannot be loaded: /],
  ])("ends where %j cannot be loaded", (flags, message) => {
    const { end, listens } = plan(...flags);
    expect(end?.exitCode).toBe(1);
    expect(end?.message).toMatch(message);
    expect(listens).toEqual([]);
  });
});

describe("every known image", () => {
  it.each(Object.keys(knownImages))("%s runs a program that is known", (image) => {
    expect(planContainer({ name: "c", image }).isUnknown).toBe(false);
  });

  const page = readFileSync(new URL("../../../../docs/images.md", import.meta.url), "utf8");
  const table = page.split("\n").filter((line) => line.startsWith("|"));

  it.each(Object.keys(knownImages))("%s stands in docs/images.md", (image) => {
    const name = image.replace("e2e-test-images/", "");
    expect(
      table.some((row) =>
        (row.split("|")[1] ?? "").split(/[\s,;`]+/).some((word) => word === name || word.endsWith(`/${name}`)),
      ),
    ).toBe(true);
  });
});

describe("what is run for whoever attaches", () => {
  const attached = (image: string, container: Partial<Container>): readonly string[] | undefined =>
    planContainer({ name: "c", image, stdin: true, ...container }).attached;

  it.each([
    ["busybox", {}, ["sh"]],
    ["busybox", { args: ["wget", "-qO-", "$(URL)"], env: [{ name: "URL", value: "web" }] }, ["wget", "-qO-", "web"]],
    ["nginx", { command: ["/bin/sh", "-c", "exit 3"] }, ["/bin/sh", "-c", "exit 3"]],
    ["nicolaka/netshoot", {}, ["zsh"]],
    ["busybox", { stdin: false }, undefined],
    ["nginx", {}, undefined],
    ["busybox", sh("nc -lk -p 80 -e cat"), undefined],
    ["busybox", { args: ["constructor"] }, undefined],
  ] as [string, Partial<Container>, string[] | undefined][])("%s %j: %j", (image, container, expected) => {
    expect(attached(image, container)).toEqual(expected);
  });
});
