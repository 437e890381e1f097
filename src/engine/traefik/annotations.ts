import type { StickyCookie } from "./types.ts";

const PREFIX = "traefik.ingress.kubernetes.io/";

/** What annotations of an Ingress say of its routers. */
export interface RouterAnnotations {
  pathMatcher: string;
  entryPoints: string[];
  middlewares: string[];
  priority: number;
  isTls: boolean;
}

/** What annotations of a Service say of how it is called. */
export interface ServiceAnnotations {
  serversScheme: string;
  serversTransport: string;
  passHostHeader: boolean;
  /** Its name may be empty: it is then made of the service's. */
  sticky?: StickyCookie;
  nativeLb: boolean;
  nodePortLb: boolean;
}

/** An annotation that Traefik does not know, or whose value is none: what its decoder says. */
export class AnnotationError extends Error {}

type Read = (value: string, isLeaf: boolean) => void;

/**
 * Reads the annotations under `router.` as Traefik decodes them (pkg/provider/kubernetes/ingress/annotations.go and traefik/paerser): names without regard
 * to case, a name that it does not know is an error. Throws AnnotationError.
 */
export function routerAnnotations(annotations: Readonly<Record<string, string>> | undefined): RouterAnnotations {
  const read: RouterAnnotations = {
    pathMatcher: "PathPrefix",
    entryPoints: [],
    middlewares: [],
    priority: 0,
    isTls: false,
  };
  let hasTlsPart = false;
  let tlsSwitch: string | undefined;
  const fields: Record<string, Read> = {
    pathmatcher: leaf((value) => (read.pathMatcher = value)),
    entrypoints: leaf((value) => (read.entryPoints = listOf(value))),
    middlewares: leaf((value) => (read.middlewares = listOf(value))),
    priority: leaf((value) => (read.priority = intOf(value))),
    rulesyntax: leaf(() => undefined),
    tls: leaf((value) => (tlsSwitch = value)),
    "tls.options": leaf(() => (hasTlsPart = true)),
    "tls.certresolver": leaf(() => (hasTlsPart = true)),
    "tls.domains": () => (hasTlsPart = true),
    observability: () => undefined,
    "observability.accesslogs": leaf((value) => void boolOf(value)),
    "observability.metrics": leaf((value) => void boolOf(value)),
    "observability.tracing": leaf((value) => void boolOf(value)),
    "observability.traceverbosity": leaf(() => undefined),
  };
  readAll(annotations, "router.", fields);
  // A structure may stand alone: "true" or nothing switches it on, anything else off (label:"allowEmpty").
  read.isTls = tlsSwitch === undefined ? hasTlsPart : /^(?:true)?$/i.test(tlsSwitch);
  return read;
}

/** The same of those under `service.`, which stand at Services. Throws AnnotationError. */
export function serviceAnnotations(annotations: Readonly<Record<string, string>> | undefined): ServiceAnnotations {
  const read: ServiceAnnotations = {
    serversScheme: "",
    serversTransport: "",
    passHostHeader: true,
    nativeLb: false,
    nodePortLb: false,
  };
  const cookie: StickyCookie = {
    name: "",
    secure: false,
    httpOnly: false,
    sameSite: "",
    maxAge: 0,
    path: "/",
    domain: "",
  };
  let hasCookiePart = false;
  let cookieSwitch: string | undefined;
  let stickySwitch: string | undefined;
  const part = (set: (value: string) => void): Read =>
    leaf((value) => {
      hasCookiePart = true;
      set(value);
    });
  readAll(annotations, "service.", {
    serversscheme: leaf((value) => (read.serversScheme = value)),
    serverstransport: leaf((value) => (read.serversTransport = value)),
    passhostheader: leaf((value) => (read.passHostHeader = boolOf(value))),
    nativelb: leaf((value) => (read.nativeLb = boolOf(value))),
    nodeportlb: leaf((value) => (read.nodePortLb = boolOf(value))),
    sticky: leaf((value) => (stickySwitch = value)),
    "sticky.cookie": leaf((value) => (cookieSwitch = value)),
    "sticky.cookie.name": part((value) => (cookie.name = value)),
    "sticky.cookie.secure": part((value) => (cookie.secure = boolOf(value))),
    "sticky.cookie.httponly": part((value) => (cookie.httpOnly = boolOf(value))),
    "sticky.cookie.samesite": part((value) => (cookie.sameSite = value)),
    "sticky.cookie.maxage": part((value) => (cookie.maxAge = intOf(value))),
    "sticky.cookie.path": part((value) => (cookie.path = value)),
    "sticky.cookie.domain": part((value) => (cookie.domain = value)),
  });
  const isOn = (value: string | undefined, otherwise: boolean): boolean =>
    value === undefined ? otherwise : /^(?:true)?$/i.test(value);
  if (isOn(cookieSwitch, hasCookiePart) && isOn(stickySwitch, true)) read.sticky = cookie;
  return read;
}

/** Names under the prefix in the order of their sorting; `name[0]` and `name.0.` stand for parts of a list. */
function readAll(
  annotations: Readonly<Record<string, string>> | undefined,
  root: string,
  fields: Readonly<Record<string, Read>>,
): void {
  for (const key of Object.keys(annotations ?? {}).toSorted()) {
    if (!key.startsWith(PREFIX)) continue;
    const path = key.slice(PREFIX.length);
    if (!path.toLowerCase().startsWith(root)) continue;
    const parts = path.slice(root.length).split(".");
    if (parts.includes("")) throw new AnnotationError(`invalid element: traefik.${path}`);
    readOne(
      parts.map((part) => part.replace(/\[.*$/, "")),
      annotations?.[key] ?? "",
      fields,
    );
  }
}

function readOne(parts: readonly string[], value: string, fields: Readonly<Record<string, Read>>): void {
  for (let length = 1; length <= parts.length; length += 1) {
    const name = parts.slice(0, length).join(".").toLowerCase();
    const hasParts = Object.keys(fields).some((each) => each.startsWith(`${name}.`));
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (length === parts.length || (field !== undefined && !hasParts)) {
      if (field === undefined) throw new AnnotationError(`field not found, node: ${parts[length - 1]}`);
      field(value, length === parts.length);
      return;
    }
    if (field === undefined && !hasParts) throw new AnnotationError(`field not found, node: ${parts[length - 1]}`);
  }
}

function leaf(read: (value: string) => unknown): Read {
  return (value, isLeaf) => {
    if (!isLeaf) throw new AnnotationError("field not found, node: a part of a value that has none");
    read(value);
  };
}

function listOf(value: string): string[] {
  return value === "" ? [] : value.split(",").map((each) => each.trim());
}

/** Go's strconv.ParseBool. */
function boolOf(value: string): boolean {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw new AnnotationError(`strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
}

function intOf(value: string): number {
  if (/^[+-]?\d{1,15}$/.test(value)) return Number(value);
  throw new AnnotationError(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
}
