const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const QUALIFIED_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/**
 * Why a text is no RFC 1123 label (names of namespaces, containers, Services), or undefined when it is one
 * (apimachinery validation.IsDNS1123Label).
 */
export function dnsLabelProblem(text: string): string | undefined {
  if (text === "") return "is empty";
  if (text.length > 63) return "is longer than 63 characters";
  if (!LABEL.test(text)) return "must be lower-case letters, digits and '-', and begin and end with a letter or digit";
  return undefined;
}

/** Why a text is no RFC 1035 label (names of Services begin with a letter), or undefined (IsDNS1035Label). */
export function dns1035LabelProblem(text: string): string | undefined {
  return dnsLabelProblem(text) ?? (/^[a-z]/.test(text) ? undefined : "must begin with a letter");
}

/** Why a text is no RFC 1123 subdomain (names of most objects), or undefined (IsDNS1123Subdomain). */
export function dnsSubdomainProblem(text: string): string | undefined {
  if (text === "") return "is empty";
  if (text.length > 253) return "is longer than 253 characters";
  if (!text.split(".").every((part) => LABEL.test(part))) {
    return "must be lower-case letters, digits, '-' and '.', and each part must begin and end with a letter or digit";
  }
  return undefined;
}

/** Why a text is no label or annotation key, `[prefix/]name`, or undefined (IsQualifiedName). */
export function labelKeyProblem(text: string): string | undefined {
  const slash = text.indexOf("/");
  const name = text.slice(slash + 1);
  if (slash >= 0) {
    if (dnsSubdomainProblem(text.slice(0, slash)) !== undefined) return "has a prefix that is no DNS subdomain";
    if (name.includes("/")) return "has more than one '/'";
  }
  if (name === "") return "has an empty name";
  if (name.length > 63) return "has a name longer than 63 characters";
  if (!QUALIFIED_NAME.test(name)) {
    return "must be letters, digits, '-', '_' and '.', and begin and end with a letter or digit";
  }
  return undefined;
}

/** Why a text is no label value, or undefined; the empty value is one (IsValidLabelValue). */
export function labelValueProblem(text: string): string | undefined {
  if (text.length > 63) return "is longer than 63 characters";
  if (text !== "" && !QUALIFIED_NAME.test(text)) {
    return "must be empty, or letters, digits, '-', '_' and '.', beginning and ending with a letter or digit";
  }
  return undefined;
}

/** Why a text is no port name, or undefined: at most 15 characters, with a letter (RFC 6335, IsValidPortName). */
export function portNameProblem(text: string): string | undefined {
  if (text.length > 15) return "is longer than 15 characters";
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text) || text.includes("--")) {
    return "must be lower-case letters, digits and single '-', and begin and end with a letter or digit";
  }
  if (!/[a-z]/.test(text)) return "must have at least one letter";
  return undefined;
}

/** Identity of an object in one cluster: `kind/namespace/name`, the namespace empty for cluster-scoped kinds. */
export function objectKey(object: { kind: string; metadata: { name: string; namespace?: string } }): string {
  return `${object.kind}/${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}
