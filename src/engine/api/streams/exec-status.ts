import { LabError } from "../../../core/errors.ts";
import type { StreamedEnd } from "../../../kernel/streamed-command.ts";
import { ApiError, type Status } from "../api-error.ts";

/** What the error channel says of a command that ended (kubelet, remotecommand ServeExec); clients read the exit code off it. */
export function statusOfEnd({ exitCode, signal }: StreamedEnd): Status {
  if (exitCode === 0) return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" };
  // As a shell tells a command that a signal ended.
  const code = String(exitCode ?? 128 + 9);
  const why = signal === null ? `exit status ${code}` : `signal ${signal}`;
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: ${why}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: code }] },
  };
}

/** What it says of one that could not be started. */
export function statusOfFailure(error: unknown): Status {
  if (error instanceof ApiError) return error.status();
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof LabError)) process.stderr.write(`API: ${error instanceof Error ? error.stack : message}\n`);
  return new ApiError("InternalError", `Internal error occurred: ${message}`).status();
}
