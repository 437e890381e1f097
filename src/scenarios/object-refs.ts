import { LabError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { dnsSubdomainProblem } from "../kube/names.ts";
import type { ObjectRef } from "../providers/types.ts";

interface KindWords {
  kind: string;
  isClusterScoped?: true;
  /** kubectl's plural and short names; the singular is the kind in lower case. */
  words: readonly string[];
}

const KINDS: readonly KindWords[] = [
  { kind: "Pod", words: ["pods", "po"] },
  { kind: "Service", words: ["services", "svc"] },
  { kind: "Deployment", words: ["deployments", "deploy"] },
  { kind: "ReplicaSet", words: ["replicasets", "rs"] },
  { kind: "StatefulSet", words: ["statefulsets", "sts"] },
  { kind: "DaemonSet", words: ["daemonsets", "ds"] },
  { kind: "NetworkPolicy", words: ["networkpolicies", "netpol"] },
  { kind: "ConfigMap", words: ["configmaps", "cm"] },
  { kind: "Secret", words: ["secrets"] },
  { kind: "Endpoints", words: ["ep"] },
  { kind: "EndpointSlice", words: ["endpointslices"] },
  { kind: "Ingress", words: ["ingresses", "ing"] },
  { kind: "Job", words: ["jobs"] },
  { kind: "Namespace", words: ["namespaces", "ns"], isClusterScoped: true },
  { kind: "Node", words: ["nodes", "no"], isClusterScoped: true },
];

const FORMS = "write NAMESPACE/KIND/NAME, such as shop/deployment/web";

/** The kind that a word means, and whether it lives in no namespace; undefined for an unknown word. */
export function kindOfWord(word: string): { kind: string; isClusterScoped: boolean } | undefined {
  const lower = word.toLowerCase();
  const found = KINDS.find(({ kind, words }) => kind.toLowerCase() === lower || words.includes(lower));
  return found === undefined ? undefined : { kind: found.kind, isClusterScoped: found.isClusterScoped === true };
}

/**
 * Reads `NAMESPACE/KIND/NAME`, or `KIND/NAME` for what lives in no namespace or in `namespace`. Throws SCENARIO_BAD_REF.
 */
export function parseObjectRef(text: string, namespace?: string): ObjectRef {
  const parts = text.split("/");
  const [name = "", word = "", own] = parts.toReversed();
  if (parts.length < 2 || parts.length > 3 || parts.includes("")) {
    throw badRef(`${JSON.stringify(text)} names no object`, FORMS);
  }
  const known = kindOfWord(word);
  if (known === undefined) {
    throw badRef(
      `${JSON.stringify(text)} has unknown kind ${JSON.stringify(word)}`,
      didYouMean(
        word,
        KINDS.map(({ kind }) => kind.toLowerCase()),
      ),
    );
  }
  return objectRef(known.kind, own ?? namespace, name, text);
}

/** An object's reference from its parts, checked. Throws SCENARIO_BAD_REF. */
export function objectRef(written: string, namespace: string | undefined, name: string, text?: string): ObjectRef {
  const known = kindOfWord(written);
  const kind = known?.kind ?? written;
  const what = text === undefined ? `${kind} ${name}` : JSON.stringify(text);
  const problem = dnsSubdomainProblem(name);
  if (problem !== undefined) throw badRef(`${what} has a bad name: it ${problem}`, FORMS);
  if (known?.isClusterScoped === true) {
    if (namespace !== undefined)
      throw badRef(`${what}: a ${kind} is in no namespace`, `write ${kind.toLowerCase()}/${name}`);
    return { kind, name };
  }
  if (namespace === undefined && known !== undefined)
    throw badRef(`${what} does not say its namespace`, `add namespace:, or ${FORMS}`);
  return { kind, name, ...(namespace === undefined ? {} : { namespace }) };
}

/** `shop/deployment/web`, for messages. */
export function formatObjectRef({ kind, namespace, name }: ObjectRef): string {
  return `${namespace === undefined ? "" : `${namespace}/`}${kind.toLowerCase()}/${name}`;
}

function badRef(message: string, hint: string | undefined): LabError {
  return new LabError("SCENARIO_BAD_REF", message, { hint });
}
