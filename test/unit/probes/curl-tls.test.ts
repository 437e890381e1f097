import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../../src/kube/types.ts";
import { CURL_WRITE_OUT, curlFailure } from "../../../src/probes/curl-output.ts";
import { curl } from "../../../src/probes/curl.ts";
import type { ExecResult } from "../../../src/providers/types.ts";
import { shopContext, shopObjects } from "../../fixtures/shop-world.ts";
import { toolOutput } from "../../tool-output.ts";

const web = { kind: "pod", namespace: "shop", name: "cache" } as const;
const PEM = "-----BEGIN CERTIFICATE-----\nof web\n-----END CERTIFICATE-----\n";
const holder = (kind: string, name: string, fields: Record<string, unknown>): KubeObject => ({
  apiVersion: "v1",
  kind,
  metadata: { name, namespace: "shop" },
  ...fields,
});
const encoded = (text: string): string => Buffer.from(text).toString("base64");

const secure = { to: "shop/service/web", port: 443, scheme: "https", host: "web.example" };

async function request(written: Record<string, unknown>, result: Partial<ExecResult>) {
  const objects = [
    ...shopObjects(),
    holder("Secret", "web-tls", { data: { "tls.crt": encoded(PEM), "tls.key": encoded("key") } }),
    holder("Secret", "both", { data: { "tls.crt": encoded("x"), "ca.crt": encoded(`${PEM}ca`) } }),
    holder("Secret", "new", { stringData: { "ca.crt": `${PEM}new` } }),
    holder("ConfigMap", "trust", { data: { "ca.crt": `${PEM}map` } }),
    holder("ConfigMap", "empty", { data: { "ca.crt": "nothing" } }),
  ];
  const context = shopContext({
    objects,
    exec: () => result,
    sweep: () => ({ outcome: "answered", detail: "connected", latencyMs: 1 }),
  });
  const [cell] = await curl.run(curl.options.parse({ ...secure, ...written }), web, context);
  return { cell, seen: cell?.observation, exec: context.cluster.execs[0] };
}

const ok = (status = 200): Partial<ExecResult> => ({
  exitCode: 0,
  stdout: `HTTP/1.1 ${status} OK\r\nx-pod-name: web-1\r\n\r\nhello${CURL_WRITE_OUT.replaceAll("\\n", "\n")
    .replace("%{http_code}", String(status))
    .replace("%{time_total}", "0.01")
    .replace("%{remote_ip}", "10.96.0.80")}`,
});
const failed = (code: number, said: string): Partial<ExecResult> => ({
  exitCode: code,
  stdout: "\n--curl: 000 0.01 10.96.0.80\n",
  stderr: `* Connected to web.example (10.96.0.80) port 443 (#0)\ncurl: (${code}) ${said}\n`,
});
const verdict = (measured: Record<string, unknown> | undefined, expected: Record<string, unknown>) =>
  curl.compare?.(measured ?? {}, curl.expect?.parse(expected) ?? {}, shopContext());

describe("curl over HTTPS", () => {
  it("asks for a name at the target's address, and hands the authority over", async () => {
    const { exec, seen, cell } = await request({ cacert: "shop/secret/web-tls" }, ok());
    const words = exec?.argv.join(" ") ?? "";
    expect(words).toContain("--cacert /dev/stdin --connect-to web.example:443:10.96.0.80:443 ");
    expect(exec?.argv.at(-1)).toBe("https://web.example:443/");
    expect(exec?.options.stdin).toBe(PEM);
    // A socket, as Node's own pipes are, cannot be opened by its name.
    expect(exec?.argv.slice(0, 5)).toEqual(["sh", "-c", 'cat | "$@"', "sh", "curl"]);
    expect(cell?.key).toMatchObject({ to: "shop/service/web", port: 443 });
    expect(seen).toMatchObject({ outcome: "allowed", measured: { tls: "trusted", status: 200 } });
    expect(verdict(seen?.measured, { status: 200, tls: "trusted" })).toBeUndefined();
    expect(verdict(seen?.measured, { tls: "untrusted" })).toBe("expected TLS untrusted, observed trusted");
  });

  it("takes ca.crt before tls.crt, of a Secret or ConfigMap", async () => {
    const handed = async (cacert: string) => (await request({ cacert }, ok())).exec?.options.stdin;
    expect(await handed("shop/secret/both")).toBe(`${PEM}ca`);
    expect(await handed("shop/secret/new")).toBe(`${PEM}new`);
    expect(await handed("shop/configmap/trust")).toBe(`${PEM}map`);
  });

  it.each(["shop/secret/ghost", "other/secret/web-tls", "shop/configmap/empty"])(
    "is an error without the authority %s, and asks nobody",
    async (cacert) => {
      const { seen, exec } = await request({ cacert }, ok());
      expect(seen?.outcome).toBe("error");
      expect(seen?.reason).toMatch(/^CURL_NO_AUTHORITY/);
      expect(exec).toBeUndefined();
    },
  );

  it("does not call a certificate trusted that nobody looked at", async () => {
    const { seen } = await request({ insecure: true }, ok());
    expect(seen?.measured?.["tls"]).toBe("unchecked");
    expect(verdict((await request({ scheme: "http", port: 80 }, ok())).seen?.measured, { tls: "trusted" })).toBe(
      "expected TLS trusted, observed none",
    );
  });

  it.each([
    [60, "SSL certificate problem: self-signed certificate", "untrusted"],
    [60, "SSL certificate problem: unable to get local issuer certificate", "untrusted"],
    [60, "SSL certificate problem: certificate has expired", "expired"],
    [60, "SSL certificate problem: certificate is not yet valid", "expired"],
    [60, "SSL: no alternative certificate subject name matches target host name 'web.example'", "wrong-name"],
    [60, "SSL: certificate subject name 'x' does not match target host name 'web.example'", "wrong-name"],
    [35, "OpenSSL/3.0.19: error:0A00010B:SSL routines::wrong version number", "failed"],
  ])("tells exit %i, %s, as %s: reached, and so never blocked", async (code, said, outcome) => {
    const { seen, cell } = await request({}, failed(code, said));
    expect(seen).toMatchObject({ outcome: "rejected", reason: `TLS: ${outcome}: ${said}`, measured: { tls: outcome } });
    expect(seen).not.toHaveProperty("proof");
    expect(cell?.destination).toBe("reply of https://web.example:443/");
    expect(verdict(seen?.measured, { tls: outcome })).toBeUndefined();
    expect(verdict(seen?.measured, { status: 200 })).toBe(`expected a reply, observed TLS ${outcome}`);
    expect(verdict(seen?.measured, { tls: outcome, status: 200 })).toMatch(/^expected a reply/);
  });

  it("tells a connection that was cut in the handshake as that, and curl's own file as an error", () => {
    expect(curlFailure(35, "curl: (35) OpenSSL SSL_connect: Connection reset by peer in connection to x")?.kind).toBe(
      "refused",
    );
    expect(curlFailure(77, "curl: (77) error setting certificate file: /dev/stdin")?.kind).toBe("other");
    expect(curlFailure(35, toolOutput("curl-tls").stderr)).toMatchObject({ kind: "tls", outcome: "failed" });
  });

  it.each([
    [{ cacert: "web-tls" }, "names no Secret or ConfigMap"],
    [{ cacert: "shop/secret/web-tls", insecure: true }, "insecure accepts any certificate"],
    [{ cacert: "shop/secret/web-tls", scheme: "http" }, "certificates are of https"],
    [{ cacert: "shop/secret/web-tls", requests: 2 }, "curl sends one request"],
    [{ to: undefined, port: undefined, scheme: undefined, url: "https://web/" }, "host belong to `to`"],
  ])("refuses %j", (more, message) => {
    expect(curl.options.safeParse({ ...secure, ...more }).error?.message).toContain(message);
  });
});
