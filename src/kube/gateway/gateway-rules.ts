import type { Listener, ParentRef, PathMatch, PathModifier, RouteFilter, RouteRule } from "./gateway-types.ts";

/** A condition on a value that no schema can say: for API servers as CEL, for the embedded engine as a function. */
export interface GatewayRule {
  /** kubernetes.io/docs/reference/using-api/cel. */
  rule: string;
  message: string;
  holds(value: unknown): boolean;
}

function rule<Value>(text: string, message: string, holds: (value: Value) => boolean): GatewayRule {
  return { rule: text, message, holds: (value) => holds(value as Value) };
}

const isPlain = ({ type = "PathPrefix" }: PathMatch): boolean => type !== "RegularExpression";

export const PATH_IS_ABSOLUTE = rule<PathMatch>(
  "self.type == 'RegularExpression' || self.value.startsWith('/')",
  "a path of type Exact or PathPrefix begins with /",
  (path) => !isPlain(path) || (path.value ?? "/").startsWith("/"),
);

export const PATH_IS_CLEAN = rule<PathMatch>(
  String.raw`self.type == 'RegularExpression' || !self.value.matches('//|/\\.\\.?/|/\\.\\.?$|%2[fF]|#')`,
  "a path of type Exact or PathPrefix has no //, /./, /../, %2F or #",
  (path) => !isPlain(path) || !/\/\/|\/\.\.?\/|\/\.\.?$|%2[fF]|#/.test(path.value ?? "/"),
);

export const SERVICE_HAS_PORT = rule<{ group?: string; kind?: string; port?: number }>(
  "self.group != '' || self.kind != 'Service' || has(self.port)",
  "a reference to a Service needs a port",
  ({ group = "", kind = "Service", port }) => group !== "" || kind !== "Service" || port !== undefined,
);

const FILTER_FIELDS = {
  RequestHeaderModifier: "requestHeaderModifier",
  ResponseHeaderModifier: "responseHeaderModifier",
  RequestMirror: "requestMirror",
  RequestRedirect: "requestRedirect",
  URLRewrite: "urlRewrite",
  ExtensionRef: "extensionRef",
} as const;

/** The types of filters. */
export const FILTER_TYPES: readonly string[] = Object.keys(FILTER_FIELDS);

/** One for each type: its field is there, and no other's. */
export const FILTER_HAS_ITS_FIELD: readonly GatewayRule[] = Object.entries(FILTER_FIELDS).map(([type, field]) =>
  rule<RouteFilter>(
    `has(self.${field}) == (self.type == '${type}')`,
    `${field} belongs to filters of type ${type}, and to no other`,
    (filter) => Object.hasOwn(filter, field) === (filter.type === type),
  ),
);

export const FILTERS_ONCE: readonly GatewayRule[] = [
  "RequestHeaderModifier",
  "ResponseHeaderModifier",
  "RequestRedirect",
  "URLRewrite",
].map((type) =>
  rule<RouteFilter[]>(
    `self.filter(f, f.type == '${type}').size() <= 1`,
    `there may be one filter of type ${type}`,
    (filters) => filters.filter((filter) => filter.type === type).length <= 1,
  ),
);

export const REDIRECT_OR_REWRITE = rule<RouteFilter[]>(
  "!(self.exists(f, f.type == 'RequestRedirect') && self.exists(f, f.type == 'URLRewrite'))",
  "filters RequestRedirect and URLRewrite exclude each other",
  (filters) => !["RequestRedirect", "URLRewrite"].every((type) => filters.some((filter) => filter.type === type)),
);

export const MODIFIER_HAS_ITS_FIELD: readonly GatewayRule[] = (
  [
    ["ReplaceFullPath", "replaceFullPath"],
    ["ReplacePrefixMatch", "replacePrefixMatch"],
  ] as const
).map(([type, field]) =>
  rule<PathModifier>(
    `has(self.${field}) == (self.type == '${type}')`,
    `${field} belongs to type ${type}, and to no other`,
    (modifier) => Object.hasOwn(modifier, field) === (modifier.type === type),
  ),
);

export const REDIRECT_WITHOUT_BACKENDS = rule<RouteRule>(
  "!has(self.backendRefs) || size(self.backendRefs) == 0 || !has(self.filters) || !self.filters.exists(f, f.type == 'RequestRedirect')",
  "a rule that redirects has no backendRefs",
  ({ backendRefs = [], filters = [] }) =>
    backendRefs.length === 0 || !filters.some(({ type }) => type === "RequestRedirect"),
);

const replacesPrefix = (field: string): string =>
  `(has(f.${field}) && has(f.${field}.path) && f.${field}.path.type == 'ReplacePrefixMatch')`;

export const PREFIX_TO_REPLACE = rule<RouteRule>(
  `!has(self.filters) || !self.filters.exists(f, ${replacesPrefix("urlRewrite")} || ${replacesPrefix("requestRedirect")}) || ` +
    "(size(self.matches) == 1 && has(self.matches[0].path) && self.matches[0].path.type == 'PathPrefix')",
  "ReplacePrefixMatch needs exactly one match, with a path of type PathPrefix",
  ({ filters = [], matches = [{}] }) =>
    !filters.some(({ urlRewrite, requestRedirect }) =>
      [urlRewrite, requestRedirect].some((filter) => filter?.path?.type === "ReplacePrefixMatch"),
    ) ||
    (matches.length === 1 && (matches[0]?.path?.type ?? "PathPrefix") === "PathPrefix"),
);

const ofSameParent = (a: ParentRef, b: ParentRef): boolean =>
  a.group === b.group && a.kind === b.kind && a.name === b.name && (a.namespace ?? "") === (b.namespace ?? "");

const orEmpty = (of: string, field: string): string => `(has(${of}.${field}) ? ${of}.${field} : '')`;
const SAME_PARENT = `a.group == b.group && a.kind == b.kind && a.name == b.name && ${orEmpty("a", "__namespace__")} == ${orEmpty("b", "__namespace__")}`;
const SAME_SECTION = `${orEmpty("a", "sectionName")} == ${orEmpty("b", "sectionName")}`;

export const PARENTS_DIFFER: readonly GatewayRule[] = [
  rule<ParentRef[]>(
    `self.all(a, self.exists_one(b, ${SAME_PARENT} && ${SAME_SECTION}))`,
    "two references to one parent need different sectionNames",
    (refs) =>
      refs.every(
        (a) => refs.filter((b) => ofSameParent(a, b) && (a.sectionName ?? "") === (b.sectionName ?? "")).length === 1,
      ),
  ),
  rule<ParentRef[]>(
    `self.all(a, self.all(b, !(${SAME_PARENT}) || has(a.sectionName) == has(b.sectionName)))`,
    "of several references to one parent each needs a sectionName",
    (refs) =>
      refs.every((a) =>
        refs.every((b) => !ofSameParent(a, b) || (a.sectionName === undefined) === (b.sectionName === undefined)),
      ),
  ),
];

const WITHOUT_TLS = ["HTTP", "TCP", "UDP"];

export const LISTENERS: readonly GatewayRule[] = [
  rule<Listener[]>(
    "self.all(l, !(l.protocol in ['HTTP', 'TCP', 'UDP']) || !has(l.tls))",
    "listeners of protocol HTTP, TCP and UDP have no tls",
    (listeners) => listeners.every(({ protocol, tls }) => !WITHOUT_TLS.includes(protocol) || tls === undefined),
  ),
  rule<Listener[]>(
    "self.all(l, !(l.protocol in ['TCP', 'UDP']) || !has(l.hostname))",
    "listeners of protocol TCP and UDP have no hostname",
    (listeners) =>
      listeners.every(({ protocol, hostname }) => !/^(?:TCP|UDP)$/.test(protocol) || hostname === undefined),
  ),
  rule<Listener[]>(
    "self.all(l, l.protocol != 'HTTPS' || !has(l.tls) || l.tls.mode == 'Terminate')",
    "listeners of protocol HTTPS terminate TLS",
    (listeners) =>
      listeners.every(({ protocol, tls }) => protocol !== "HTTPS" || (tls?.mode ?? "Terminate") === "Terminate"),
  ),
  rule<Listener[]>(
    `self.all(a, self.exists_one(b, a.port == b.port && a.protocol == b.protocol && ${orEmpty("a", "hostname")} == ${orEmpty("b", "hostname")}))`,
    "no two listeners have the same port, protocol and hostname",
    (listeners) =>
      new Set(listeners.map(({ port, protocol, hostname = "" }) => `${port} ${protocol} ${hostname}`)).size ===
      listeners.length,
  ),
];

export const TLS_HAS_CERTIFICATE = rule<NonNullable<Listener["tls"]>>(
  "self.mode != 'Terminate' || (has(self.certificateRefs) && size(self.certificateRefs) > 0) || (has(self.options) && size(self.options) > 0)",
  "who terminates TLS needs certificateRefs or options",
  ({ mode = "Terminate", certificateRefs = [], options = {} }) =>
    mode !== "Terminate" || certificateRefs.length > 0 || Object.keys(options).length > 0,
);

const ALL: readonly GatewayRule[] = [
  PATH_IS_ABSOLUTE,
  PATH_IS_CLEAN,
  SERVICE_HAS_PORT,
  ...FILTER_HAS_ITS_FIELD,
  ...FILTERS_ONCE,
  REDIRECT_OR_REWRITE,
  ...MODIFIER_HAS_ITS_FIELD,
  REDIRECT_WITHOUT_BACKENDS,
  PREFIX_TO_REPLACE,
  ...PARENTS_DIFFER,
  ...LISTENERS,
  TLS_HAS_CERTIFICATE,
];

/** By their texts. */
export const GATEWAY_RULES: ReadonlyMap<string, GatewayRule> = new Map(ALL.map((each) => [each.rule, each]));
