/** An image reference taken apart: `registry.k8s.io/e2e-test-images/agnhost:2.53` is repository + tag. */
export interface ImageName {
  /** Without registry and without Docker Hub's `library/`: `e2e-test-images/agnhost`, `nginx`. */
  repository: string;
  tag: string;
}

const SEGMENT = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/;
const REGISTRY = /^[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Reads an image reference (distribution/reference); undefined for one that no runtime would take. */
export function parseImageName(image: string): ImageName | undefined {
  const [named = "", digest, ...rest] = image.split("@");
  if (rest.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return undefined;
  const colon = named.lastIndexOf(":");
  const hasTag = colon > named.lastIndexOf("/");
  const path = hasTag ? named.slice(0, colon) : named;
  const tag = hasTag ? named.slice(colon + 1) : "latest";
  if (!TAG.test(tag)) return undefined;
  const segments = path.split("/");
  const [first = ""] = segments;
  const hasRegistry = segments.length > 1 && (/[.:]/.test(first) || first === "localhost");
  if (hasRegistry && !REGISTRY.test(first)) return undefined;
  const repository = (hasRegistry ? segments.slice(1) : segments).filter(
    (segment, index) => !(index === 0 && segment === "library"),
  );
  if (repository.length === 0 || !repository.every((segment) => SEGMENT.test(segment))) return undefined;
  return { repository: repository.join("/"), tag };
}
