import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import type { Configuration, LogLine } from "./types.ts";

interface Served {
  /** In lower case. */
  domains: string[];
  context: SecureContext;
}

const HEADER = "-----BEGIN CERTIFICATE-----\n";

/** Which certificate a client gets by the name it asks for (pkg/tls/certificate_store.go): of all Ingresses together, whatever their namespace. */
export class Certificates {
  private readonly served: Served[] = [];
  private readonly otherwise: SecureContext;
  /** Those that cannot be used. */
  readonly errors: LogLine[] = [];

  constructor(pairs: Configuration["certificates"], otherwise: SecureContext) {
    this.otherwise = otherwise;
    const seen = new Set<string>();
    for (const { cert, key } of pairs) {
      const read = readPair(cert, key);
      if ("fault" in read) {
        const error = `unable to generate TLS certificate: ${read.fault}`;
        this.errors.push({ message: `Unable to parse certificate ${shortName(cert)}`, error, fields: {} });
        continue;
      }
      // Of two with the same names the first counts.
      const names = read.domains.toSorted().join(",");
      if (!seen.has(names)) this.served.push(read);
      seen.add(names);
    }
  }

  /** The best one for the name, which is the last of those that fit in the order of their names; else the default. */
  contextFor(serverName: string): SecureContext {
    const name = serverName.trim().toLowerCase();
    let best: { domain: string; context: SecureContext } | undefined;
    for (const { domains, context } of this.served)
      for (const domain of domains)
        if (isDomainOf(name, domain) && (best === undefined || domain > best.domain)) best = { domain, context };
    return best?.context ?? this.otherwise;
  }
}

/** A wildcard stands for whole labels from the left, and no more than there are. */
function isDomainOf(name: string, domain: string): boolean {
  if (name === domain) return true;
  const wanted = domain.replace(/\.+$/, "");
  const labels = name.split(".");
  return labels.some((_label, index) => labels.map((each, at) => (at <= index ? "*" : each)).join(".") === wanted);
}

function readPair(cert: string, key: string): Served | { fault: string } {
  try {
    const parsed = new X509Certificate(cert);
    const context = createSecureContext({ cert, key, minVersion: "TLSv1.2" });
    return { domains: domainsOf(parsed), context };
  } catch (error) {
    return { fault: faultText(error) };
  }
}

/** Go's crypto/tls in the two cases that are common. */
function faultText(error: unknown): string {
  const { code = "", message = String(error) } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  if (code === "ERR_OSSL_X509_KEY_VALUES_MISMATCH") return "tls: private key does not match public key";
  if (/PEM|no start line/i.test(`${code} ${message}`)) return "tls: failed to find any PEM data in certificate input";
  return message;
}

/** The common name, and the names and addresses of the extension. */
function domainsOf({ subject, subjectAltName = "" }: X509Certificate): string[] {
  const common = /^CN=(.*)$/m.exec(subject ?? "")?.[1];
  const names = subjectAltName.split(", ").flatMap((entry) => {
    const name = /^(?:DNS|IP Address):(.*)$/.exec(entry)?.[1];
    return name === undefined || name === common ? [] : [name];
  });
  return [...(common === undefined ? [] : [common]), ...names].map((name) => name.toLowerCase());
}

function shortName(cert: string): string {
  return cert.startsWith(HEADER) && cert.length > HEADER.length + 50
    ? cert.slice(HEADER.length, HEADER.length + 50)
    : cert;
}
