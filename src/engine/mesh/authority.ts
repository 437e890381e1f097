import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeCertificate } from "../x509.ts";
import { TRUST_DOMAIN, spiffeId, type Identity } from "./identity.ts";

/** A workload's certificate with its key, and the authority's certificate, as PEM. */
export interface WorkloadCredentials {
  cert: string;
  key: string;
  ca: string;
}

/** The mesh's certificate authority, as istiod has one: it certifies who a service account is. */
export class MeshAuthority {
  /** Its own certificate, as PEM. */
  readonly certificate: string;
  private readonly key: KeyObject;
  private readonly now: () => Date;
  private readonly issued = new Map<string, WorkloadCredentials>();

  constructor(now: () => Date) {
    this.now = now;
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.key = privateKey;
    this.certificate = writeCertificate({
      subject: TRUST_DOMAIN,
      issuer: TRUST_DOMAIN,
      publicKey,
      issuerKey: privateKey,
      isAuthority: true,
      usages: [],
      names: [],
      now: now(),
    });
  }

  /** The credentials of a service account, the same for all of its pods; about 1 ms the first time. */
  credentials(identity: Identity): WorkloadCredentials {
    const id = spiffeId(identity);
    const known = this.issued.get(id);
    if (known !== undefined) return known;
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const cert = writeCertificate({
      subject: "",
      issuer: TRUST_DOMAIN,
      publicKey,
      issuerKey: this.key,
      isAuthority: false,
      usages: ["server", "client"],
      names: [{ uri: id }],
      now: this.now(),
    });
    const key = String(privateKey.export({ type: "pkcs8", format: "pem" }));
    const made = { cert, key, ca: this.certificate };
    this.issued.set(id, made);
    return made;
  }
}
