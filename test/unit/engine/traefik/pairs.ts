import { makeServerCertificate, type ServerCertificate } from "../../../../src/engine/api/certificate.ts";

/** A self-signed certificate of that common name (it is for localhost and 127.0.0.1, too). */
export function pairOf(name: string): ServerCertificate {
  return makeServerCertificate(name, new Date());
}
