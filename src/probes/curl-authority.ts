import { isRecord } from "../core/is-record.ts";
import { LabError } from "../core/errors.ts";
import type { AuthorityRef } from "./curl-options.ts";
import type { ProbeContext } from "./types.ts";

/** Where authorities' certificates stand: kubernetes.io/tls Secrets of cert-manager have both, self-signed ones the second. */
const KEYS = ["ca.crt", "tls.crt"] as const;

/** The certificates, as PEM, that a Secret or ConfigMap holds now. Throws CURL_NO_AUTHORITY. */
export async function authorities({ kind, namespace, name }: AuthorityRef, context: ProbeContext): Promise<string> {
  const found = (await context.cluster.list({ kind, namespace })).find(
    ({ kind: seen, metadata }) => seen === kind && metadata.name === name && metadata.namespace === namespace,
  );
  const what = `${kind} ${namespace}/${name}`;
  if (found === undefined) throw new LabError("CURL_NO_AUTHORITY", `${what} does not exist`);
  const { data, stringData } = found;
  for (const key of KEYS) {
    const plain = isRecord(stringData) ? stringData[key] : undefined;
    const stored = isRecord(data) ? data[key] : undefined;
    const decoded = kind === "Secret" ? Buffer.from(String(stored), "base64").toString("utf8") : String(stored);
    const text = plain === undefined ? decoded : String(plain);
    if ((plain ?? stored) !== undefined && text.includes("-----BEGIN CERTIFICATE-----")) return text;
  }
  throw new LabError("CURL_NO_AUTHORITY", `${what} has no certificate under ${KEYS.join(" or ")}`);
}
