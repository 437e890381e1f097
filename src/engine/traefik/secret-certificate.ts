import { isRecord } from "../../core/is-record.ts";
import type { ObjectStore } from "../store/store.ts";

/** The certificate and key of a Secret as PEM; a string says why there is none, in Traefik's words (getCertificateBlocks). */
export function certificateOf(
  store: ObjectStore,
  namespace: string,
  name: string,
): { cert: string; key: string } | string {
  const secret = store.find({ kind: "Secret", name, namespace });
  if (secret === undefined) return `secret ${namespace}/${name} does not exist`;
  const read = (entry: string): string | undefined => {
    const { data, stringData } = secret;
    const plain = isRecord(stringData) ? stringData[entry] : undefined;
    if (plain !== undefined) return String(plain);
    const coded = isRecord(data) ? data[entry] : undefined;
    return coded === undefined ? undefined : Buffer.from(String(coded), "base64").toString("utf8");
  };
  const entries = ["tls.crt", "tls.key"].map((entry) => [entry, read(entry)] as const);
  const wanting = (is: (value: string | undefined) => boolean): string =>
    entries.flatMap(([entry, value]) => (is(value) ? [entry] : [])).join(", ");
  const missing = wanting((value) => value === undefined);
  if (missing !== "") return `secret ${namespace}/${name} is missing the following TLS data entries: ${missing}`;
  const empty = wanting((value) => value === "");
  if (empty !== "") return `secret ${namespace}/${name} contains the following empty TLS data entries: ${empty}`;
  const [[, cert = ""] = [], [, key = ""] = []] = entries;
  return { cert, key };
}
