import * as z from "zod";
import { LabError } from "../core/errors.ts";
import { boundField, durationField, endpointField, familyField, parsedBy, portField } from "../lab/fields.ts";
import { TLS_OUTCOMES } from "./curl-output.ts";
import { patternProblem } from "./figures.ts";

const MOST_REQUESTS = 1000;

const url = z.string().superRefine((text, issues) => {
  let parsed: URL | undefined;
  try {
    parsed = new URL(text);
  } catch {
    // Reported below together with other schemes.
  }
  const isHttp =
    parsed !== undefined && (parsed.protocol === "http:" || parsed.protocol === "https:") && /^https?:\/\//.test(text);
  if (isHttp && /^[\x21-\x7e]+$/.test(text)) return;
  issues.addIssue({
    code: "custom",
    message: `${JSON.stringify(text)} is no http or https URL`,
    params: { code: "CURL_BAD_URL", hint: "write it like http://web.shop/healthz, or use to: and port:" },
  });
});

// RFC 9110 token: a name that could start with @ would make curl read a file.
const headers = z.record(z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/), z.string().regex(/^[^\r\n]*$/));

/** An object that holds certificates of authorities. */
export interface AuthorityRef {
  kind: "Secret" | "ConfigMap";
  namespace: string;
  name: string;
}

function authorityField(): z.ZodType<AuthorityRef, string> {
  return parsedBy((written) => {
    const [, namespace, kind, name] =
      /^([a-z0-9-]{1,63})\/(secret|configmap)\/([a-z0-9.-]{1,253})$/.exec(written) ?? [];
    if (namespace === undefined || name === undefined)
      throw new LabError("CURL_CACERT", `${JSON.stringify(written)} names no Secret or ConfigMap`, {
        hint: "write NAMESPACE/secret/NAME or NAMESPACE/configmap/NAME",
      });
    return { kind: kind === "secret" ? "Secret" : "ConfigMap", namespace, name };
  });
}

/** What stands under `curl:`; a string is its URL. */
const fields = z.strictObject({
  from: endpointField().optional().describe("Who requests; may stand beside the kind's key instead"),
  url: url.optional().describe("http or https URL"),
  to: endpointField()
    .optional()
    .describe("Instead of url: pod, workload, Service, node/NAME, external, IP address or name"),
  port: portField().optional().describe("With to: default 80, of https 443"),
  path: z
    .string()
    .regex(/^\/[^\s]*$/)
    .optional()
    .describe("With to: default /"),
  scheme: z.enum(["http", "https"]).optional().describe("With to: default http"),
  method: z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]).optional(),
  headers: headers.optional().describe("Request headers"),
  data: z.string().optional().describe("Request body, sent as it is"),
  requests: z.int().min(1).max(MOST_REQUESTS).default(1).describe("How many, each on a new connection"),
  timeout: durationField().optional().describe("Longest wait for a whole reply, default 5s"),
  insecure: z.boolean().optional().describe("Accept any certificate"),
  cacert: authorityField()
    .optional()
    .describe("Whom to trust: NAMESPACE/secret/NAME or NAMESPACE/configmap/NAME, its ca.crt or else tls.crt"),
  host: z
    .string()
    .regex(/^(?=[^.-])[A-Za-z0-9.-]{1,253}$/, "write a DNS name")
    .optional()
    .describe("With to: the name in the URL, which the Host header and TLS (SNI) have; it is not looked up"),
  family: familyField(),
});

/** Options of `curl`. */
export const curlOptions = z
  .union([url.transform((written) => ({ url: written, requests: 1 })), fields])
  .transform((options): z.output<typeof fields> => options)
  .superRefine((options, issues) => {
    const hasBoth = options.url !== undefined && options.to !== undefined;
    const hasNone = options.url === undefined && options.to === undefined;
    const isStray =
      options.url !== undefined && (options.port ?? options.path ?? options.scheme ?? options.host) !== undefined;
    const trust = trustProblem(options);
    if (trust !== undefined)
      issues.addIssue({
        code: "custom",
        path: ["cacert"],
        message: trust.message,
        params: { code: "CURL_CACERT", hint: trust.hint },
      });
    if (!hasBoth && !hasNone && !isStray) return;
    issues.addIssue({
      code: "custom",
      message: hasNone
        ? "curl needs url or to"
        : hasBoth
          ? "curl takes url or to, not both"
          : "port, path, scheme and host belong to `to`; a url has its own",
      params: {
        code: "CURL_NO_TARGET",
        hint: "url: http://web.shop/healthz, or to: shop/service/web with port: and path:",
      },
    });
  });

function trustProblem({ cacert, insecure, requests, url: written, scheme }: z.output<typeof fields>) {
  if (cacert === undefined) return undefined;
  if (insecure === true)
    return {
      message: "insecure accepts any certificate, and cacert says whom to trust",
      hint: "leave one of them out",
    };
  if (!(scheme === "https" || written?.startsWith("https:") === true))
    return { message: "certificates are of https", hint: "write scheme: https, or an https URL" };
  // It is handed over by a pipe, which curl can read once.
  return requests > 1
    ? { message: "with cacert curl sends one request", hint: "leave requests out, or take insecure" }
    : undefined;
}

/** What {@link curlOptions} produces. */
export type CurlOptions = z.output<typeof curlOptions>;

const text = z
  .string()
  .min(1)
  .max(500)
  .superRefine((written, issues) => {
    const problem = patternProblem(written);
    if (problem === undefined) return;
    issues.addIssue({
      code: "custom",
      message: `${written} is no regular expression: ${problem}`,
      params: { code: "CURL_BAD_PATTERN" },
    });
  });

const status = z.union([z.int().min(100).max(599), z.string().regex(/^[1-5]xx$/, "write a status such as 200 or 2xx")]);

/** What `expect:` may hold for curl. */
export const curlExpect = z.strictObject({
  status: status.optional().describe("200, or a class such as 2xx; of every reply"),
  body: text.optional().describe("Substring, or /regular expression/; of every reply"),
  header: z.record(z.string(), text).optional().describe("Name → substring or /regular expression/; of every reply"),
  tls: z
    .enum(TLS_OUTCOMES)
    .optional()
    .describe("What became of TLS: trusted, unchecked (insecure), untrusted, wrong-name, expired or failed"),
  time: boundField("time").optional().describe("Mean time to a whole reply, such as < 50 ms"),
  backends: z
    .strictObject({
      count: z.int().min(1).optional().describe("How many different pods answered"),
      even: z.literal(true).optional().describe("All ready endpoints answered, as evenly as a random choice would"),
    })
    .optional(),
});

/** What {@link curlExpect} produces. */
export type CurlExpect = z.output<typeof curlExpect>;
