import { LabError } from "./errors.ts";
import { SourceText } from "./source-text.ts";

/** The text of a file, with its byte-order mark; YAML_ENCODING where it is not UTF-8. */
export function decodeText(bytes: Uint8Array, file: string): string | LabError {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    return notUtf8(bytes, file, cause);
  }
}

/** Points at the first byte that belongs to no character. */
function notUtf8(bytes: Uint8Array, file: string, cause: unknown): LabError {
  const isWrong = (length: number): boolean => {
    try {
      new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, length), { stream: true });
      return false;
    } catch {
      return true;
    }
  };
  // The first `right` bytes are no mistake, though the last character may want more of them; `wrong` bytes are one.
  let right = 0;
  for (let wrong = bytes.length + 1; wrong - right > 1;) {
    const middle = Math.floor((right + wrong) / 2);
    if (isWrong(middle)) wrong = middle;
    else right = middle;
  }
  const decode = (part: Uint8Array, stream: boolean): string => new TextDecoder("utf-8").decode(part, { stream });
  const at = decode(bytes.subarray(0, right), true).length;
  return new LabError("YAML_ENCODING", `${file} is not UTF-8 text`, {
    cause,
    hint: "save the file as UTF-8",
    span: new SourceText(file, decode(bytes, false)).span(at, at + 1),
  });
}
