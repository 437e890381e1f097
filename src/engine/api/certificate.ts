import { generateKeyPairSync } from "node:crypto";
import { writeCertificate } from "../x509.ts";

/** A certificate that signs itself, and its private key, as PEM. */
export interface ServerCertificate {
  cert: string;
  key: string;
}

/** Makes an ECDSA P-256 key and its self-signed certificate (RFC 5280) for 127.0.0.1 and localhost. About 1 ms. */
export function makeServerCertificate(commonName: string, now: Date): ServerCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const cert = writeCertificate({
    subject: commonName,
    issuer: commonName,
    publicKey,
    issuerKey: privateKey,
    isAuthority: true,
    usages: ["server"],
    names: [{ dns: "localhost" }, { ipv4: "127.0.0.1" }],
    now,
  });
  return { cert, key: String(privateKey.export({ type: "pkcs8", format: "pem" })) };
}
