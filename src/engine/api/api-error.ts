/** One field of an object that is wrong (meta/v1 StatusCause). */
export interface StatusCause {
  reason: string;
  message: string;
  field?: string;
}

/** What an error is about (meta/v1 StatusDetails); `kind` is the resource's name, of an invalid object its kind. */
export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** meta/v1 Status: what every request that fails is answered with, and a deletion that left nothing. */
export interface Status {
  kind: "Status";
  apiVersion: "v1";
  metadata: Record<string, never>;
  status: "Success" | "Failure";
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

/** The codes that go with the reasons (meta/v1 types.go, StatusReason). */
const CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof CODES;

/** A request that the API refuses, as the Status that says so. */
export class ApiError extends Error {
  readonly reason: StatusReason;
  readonly details: StatusDetails | undefined;

  constructor(reason: StatusReason, message: string, details?: StatusDetails) {
    super(message);
    this.name = "ApiError";
    this.reason = reason;
    this.details = details;
  }

  get code(): number {
    return CODES[this.reason];
  }

  status(): Status {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

/** A path that leads nowhere: answered 404 without a Status, as a mux does; clients make their own message of it. */
export class NoSuchPath extends Error {}

export function noSuchPath(): NoSuchPath {
  return new NoSuchPath("404 page not found");
}

export function badRequest(message: string): ApiError {
  return new ApiError("BadRequest", message);
}
